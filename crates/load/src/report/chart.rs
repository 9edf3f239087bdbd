//! Pictures, as SVG inside of the page. Their colours are the page's, so they follow light and dark.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{Axis, Scale, grouped, short};

/// The widths of a picture over the whole page, and of one over half of it.
pub(crate) const WIDE: f64 = 1180.0;
pub(crate) const NARROW: f64 = 580.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// A line of a chart. Its class is its colour.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) class: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) is_dotted: bool,
}

/// A stretch of the x axis that is marked, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// What is written at its top, a line each.
    pub(crate) labels: Vec<String>,
    /// Its colour.
    pub(crate) class: &'static str,
}

/// What is written at the axes, and how they are spread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axes<'a> {
    pub(crate) width: f64,
    pub(crate) x: (&'static str, Scale),
    pub(crate) y: (&'static str, Scale),
    /// A level that is drawn across: its value and its name.
    pub(crate) level: Option<(f64, &'static str)>,
    pub(crate) bands: &'a [Band],
}

/// A chart's frame: its axes in place.
struct Frame {
    width: f64,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (self.width - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// The marked stretches, behind everything else.
    fn bands(&self, axes: &Axes<'_>) -> Markup {
        html! {
            @for band in axes.bands {
                @let (x, to) = (round(self.x(band.from)), round(self.x(band.to)));
                rect class={ "band " (band.class) } x=(x) y=(TOP) width=(round(to - x))
                    height=(HEIGHT - BOTTOM - TOP) {}
                @for (label, line) in band.labels.iter().zip(1_u32..) {
                    text.band-name x=(x + 4.0) y=(TOP + 12.0 * f64::from(line)) { (label) }
                }
            }
        }
    }

    /// The grid with its numbers.
    fn grid(&self, axes: &Axes<'_>) -> Markup {
        let (left, right, bottom) = (LEFT, self.width - RIGHT, HEIGHT - BOTTOM);
        html! {
            @for tick in self.y.ticks() {
                @let y = round(self.y(tick));
                line.grid x1=(left) x2=(right) y1=(y) y2=(y) {}
                text.tick x=(left - 8.0) y=(y + 4.0) text-anchor="end" { (short(tick)) }
            }
            @for tick in self.x.ticks() {
                @let x = round(self.x(tick));
                line.grid x1=(x) x2=(x) y1=(TOP) y2=(bottom) {}
                text.tick x=(x) y=(bottom + 16.0) text-anchor="middle" { (x_label(axes, tick)) }
            }
            text.label x=((left + right) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { (axes.x.0) }
            text.label x="12" y=((TOP + bottom) / 2.0) text-anchor="middle"
                transform={ "rotate(-90 12 " ((TOP + bottom) / 2.0) ")" } { (axes.y.0) }
        }
    }
}

/// Lines over common axes, with a legend.
pub(crate) fn lines(axes: &Axes<'_>, lines: &[Line]) -> Markup {
    let xs = lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x);
    let xs = xs.chain(axes.bands.iter().map(|band| band.to));
    let ys = lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    let level = axes.level.map(|(level, _)| level);
    let frame = Frame {
        width: axes.width,
        x: Axis::over(axes.x.1, xs),
        y: Axis::over(axes.y.1, ys.chain(level)).rounded(),
    };
    html! {
        @if lines.len() > 1 { (legend(lines)) }
        svg viewBox=(view_box(axes)) role="img" {
            (frame.bands(axes))
            (frame.grid(axes))
            @if let Some((level, name)) = axes.level {
                @let y = round(frame.y(level));
                line.level x1=(LEFT) x2=(axes.width - RIGHT) y1=(y) y2=(y) {}
                text.level-name x=(axes.width - RIGHT) y=(y - 5.0) text-anchor="end" { (name) }
            }
            @for line in lines {
                path class={ "line " (line.class) } d=(path(&frame, &line.points)) {}
                @if line.is_dotted {
                    @for (x, y) in &line.points {
                        circle class={ "dot " (line.class) } r="3.5"
                            cx=(round(frame.x(*x))) cy=(round(frame.y(*y))) {
                            title { (line.name) ": " (short(*y)) " at " (short(*x)) }
                        }
                    }
                }
            }
        }
    }
}

/// Filled steps, one per second, with a second set before the first.
pub(crate) fn steps(axes: &Axes<'_>, whole: &[f64], part: &[f64]) -> Markup {
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let count = whole.len() as f64;
    let frame = Frame {
        width: axes.width,
        x: Axis::over(axes.x.1, [0.0, count].into_iter()),
        y: Axis::over(axes.y.1, whole.iter().copied()).rounded(),
    };
    html! {
        svg viewBox=(view_box(axes)) role="img" {
            (frame.grid(axes))
            path.area.c1 d=(area(&frame, whole)) {}
            path.area.bad d=(area(&frame, part)) {}
        }
    }
}

/// Bars between bounds on a logarithmic axis: `(above, up to, count)`.
pub(crate) fn histogram(axes: &Axes<'_>, bars: &[(f64, f64, u64)]) -> Markup {
    let bounds = bars.iter().flat_map(|(above, up_to, _)| [*above, *up_to]);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let height = |count: u64| count as f64;
    let frame = Frame {
        width: axes.width,
        x: Axis::over(axes.x.1, bounds.filter(|bound| *bound > 0.0)),
        y: Axis::over(axes.y.1, bars.iter().map(|(_, _, count)| height(*count))).rounded(),
    };
    html! {
        svg viewBox=(view_box(axes)) role="img" {
            (frame.grid(axes))
            @for (above, up_to, count) in bars {
                @let (x, y) = (round(frame.x(*above)), round(frame.y(height(*count))));
                @let width = round((frame.x(*up_to) - x - 1.0).max(1.0));
                rect.bar x=(x) y=(y) width=(width) height=(round(HEIGHT - BOTTOM - y)) {
                    title { (grouped(*count)) " took " (short(*above)) " to " (short(*up_to)) " ms" }
                }
            }
        }
    }
}

fn legend(lines: &[Line]) -> Markup {
    html! {
        div.legend {
            @for line in lines {
                span { i class=(line.class) {} (line.name) }
            }
        }
    }
}

fn view_box(axes: &Axes<'_>) -> String {
    format!("0 0 {} {HEIGHT}", axes.width)
}

fn x_label(axes: &Axes<'_>, tick: f64) -> String {
    if axes.x.1 == Scale::Nines {
        // 99.999 has to be told from 100.
        format!("{tick} %")
    } else {
        short(tick)
    }
}

fn path(frame: &Frame, points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        // Writing into memory cannot fail.
        let _ = write!(path, "{command}{:.1} {:.1}", frame.x(*x), frame.y(*y));
    }
    path
}

/// From the ground up each step and down again.
fn area(frame: &Frame, steps: &[f64]) -> String {
    let ground = HEIGHT - BOTTOM;
    let mut path = format!("M{LEFT} {ground:.1}");
    let mut from = 0.0;
    for step in steps {
        let (left, right, y) = (frame.x(from), frame.x(from + 1.0), frame.y(*step));
        let _ = write!(path, "L{left:.1} {y:.1}L{right:.1} {y:.1}");
        from += 1.0;
    }
    let _ = write!(path, "L{:.1} {ground:.1}Z", frame.x(from));
    path
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
