//! Whether a caller wants JSON rather than a page.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// How much a media type is wanted: its quality in thousandths, then how exactly it is named.
type Wanted = (u32, u32);

/// Whether `Accept` wants JSON more than HTML. Without the header, and where both are wanted alike,
/// it does not.
pub(super) fn prefers_json(headers: &HeaderMap) -> bool {
    let (mut json, mut html): (Option<Wanted>, Option<Wanted>) = (None, None);
    for value in headers.get_all(ACCEPT) {
        let ranges = value.to_str().unwrap_or("").split(',');
        for (range, quality) in ranges.filter_map(range) {
            keep(&mut json, exactness(range, "application", "json"), quality);
            keep(&mut html, exactness(range, "text", "html"), quality);
        }
    }
    json.is_some_and(|json| json.0 > 0 && html.is_none_or(|html| json > html))
}

/// A media range and its quality in thousandths; `None` if it is not well formed.
fn range(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next()?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let Some(quality) = quality else {
        return Some((range, 1000));
    };
    let (whole, decimals) = quality.split_once('.').unwrap_or((quality, ""));
    let has_form = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if has_form => Some((range, format!("{decimals:0<3}").parse().ok()?)),
        "1" if has_form => Some((range, 1000)),
        _ => None,
    }
}

/// How exactly the range names the type: 3 by its name, 1 as anything; `None` if it does not.
fn exactness(range: &str, of_type: &str, subtype: &str) -> Option<u32> {
    let (of_range, in_range) = range.split_once('/')?;
    match (of_range, in_range) {
        ("*", "*") => Some(1),
        (_, "*") if of_range.eq_ignore_ascii_case(of_type) => Some(2),
        _ => {
            let is_named =
                of_range.eq_ignore_ascii_case(of_type) && in_range.eq_ignore_ascii_case(subtype);
            is_named.then_some(3)
        }
    }
}

/// The most exact range decides.
fn keep(wanted: &mut Option<Wanted>, exactness: Option<u32>, quality: u32) {
    if let Some(exactness) = exactness
        && wanted.is_none_or(|(_, before)| exactness > before)
    {
        *wanted = Some((quality, exactness));
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_for_those_who_prefer_it() {
        for (accept, expected) in [
            ("*/*", false),
            ("", false),
            ("text/html", false),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
                false,
            ),
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json;charset=utf-8", true),
            ("application/*", true),
            ("application/json, text/plain, */*", true),
            ("application/json, text/html", false),
            ("application/json;q=0.9, text/html;q=0.8", true),
            ("application/json;q=0.8, text/html;q=0.9", false),
            ("application/json;q=0", false),
            ("application/json;q=0, */*", false),
            ("text/html;q=0, */*", true),
            ("application/json;q=x", false),
            ("application/json;q=0.1234", false),
            ("json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_json(&headers), expected, "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
    }
}
