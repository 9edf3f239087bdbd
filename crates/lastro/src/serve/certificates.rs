//! The certificates that the faces show: read again when they change, and watched until they expire.
//!
//! An expired certificate stays in use. Whether a caller takes it is the caller's decision, and a ledger that
//! nobody can reach any more is worse than an alarm.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use metrics::gauge;
use server::{ServerTls, ServerTlsError, TlsFiles};
use stdx::Metric;

use super::reload::{Reloads, WatchedFiles};
use super::tls::FacesTls;
use crate::secrets;

const EXPIRY: Metric = Metric::gauge(
    "lastro_certificate_expiry_seconds",
    "Time until the first certificate expires that a face shows; negative once it has expired",
)
.in_seconds()
.by(&["face"]);

/// The metrics of certificates.
pub(crate) const METRICS: &[Metric] = &[EXPIRY];

/// How often it is looked at how long the certificates are still valid.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// From how long before its end on a certificate is warned about.
const WARNED_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);
/// How often the log says so again.
const EXPIRING_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const EXPIRED_INTERVAL: Duration = Duration::from_secs(3600);

/// The TLS of each face; `None` where it is served without.
pub(super) struct Certificates {
    pub(super) http: Option<ServerTls>,
    pub(super) grpc: Option<ServerTls>,
    pub(super) metrics: Option<ServerTls>,
}

/// A face with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Http,
    Grpc,
    Metrics,
}

impl Face {
    /// The label of the metric.
    const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Metrics => "metrics",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Grpc => "gRPC",
            Self::Metrics => "metrics",
        }
    }

    fn open(self, files: TlsFiles) -> Result<ServerTls, ServerTlsError> {
        match self {
            Self::Http | Self::Metrics => ServerTls::of_http(files),
            Self::Grpc => ServerTls::of_grpc(files),
        }
    }
}

impl Certificates {
    /// Reads the files of every face, now and whenever they change.
    pub(super) fn read(files: &FacesTls, reloads: &mut Reloads) -> anyhow::Result<Self> {
        let mut read = |face, files: &Option<TlsFiles>| match files {
            Some(files) => read(face, files, reloads).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            http: read(Face::Http, &files.http)?,
            grpc: read(Face::Grpc, &files.grpc)?,
            metrics: read(Face::Metrics, &files.metrics)?,
        })
    }

    /// Watches how long they are valid, until the process ends. Needs to be in a runtime.
    pub(super) fn watch(&self) {
        let faces = [
            (Face::Http, &self.http),
            (Face::Grpc, &self.grpc),
            (Face::Metrics, &self.metrics),
        ];
        let watches = faces.into_iter().filter_map(|(face, tls)| {
            let tls = tls.clone()?;
            let reported = None;
            Some(Watch {
                face,
                tls,
                reported,
            })
        });
        let mut watches: Vec<_> = watches.collect();
        if watches.is_empty() {
            return;
        }
        stdx::describe_metrics!(METRICS);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(LOOK_INTERVAL);
            loop {
                interval.tick().await;
                for watch in &mut watches {
                    watch.look(SystemTime::now(), Instant::now());
                }
            }
        });
    }
}

fn read(face: Face, files: &TlsFiles, reloads: &mut Reloads) -> anyhow::Result<ServerTls> {
    let paths = [&files.certificate, &files.key].into_iter();
    let watched = WatchedFiles::new(paths.chain(&files.client_ca).cloned());
    let tls = face.open(files.clone());
    let tls = tls.with_context(|| format!("cannot serve {} over TLS", face.name()))?;
    if let Some(warning) = secrets::open_file(&files.key, "a private key") {
        tracing::warn!("{warning}");
    }
    let reloaded = tls.clone();
    let name = format!("the certificate of {}", face.name());
    reloads.add(name, watched, move || Ok(reloaded.reload()?));
    Ok(tls)
}

/// A certificate under watch.
struct Watch {
    face: Face,
    tls: ServerTls,
    /// What the log has said last, and when.
    reported: Option<(Report, Instant)>,
}

/// What the log says of a certificate that is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    expires_at: SystemTime,
    is_expired: bool,
}

impl Report {
    /// What there is to say now; `None` while there is time.
    fn of(expires_at: SystemTime, now: SystemTime) -> Option<Self> {
        let is_near = expires_at <= now + WARNED_BEFORE;
        is_near.then_some(Self {
            expires_at,
            is_expired: expires_at <= now,
        })
    }

    const fn interval(self) -> Duration {
        if self.is_expired {
            EXPIRED_INTERVAL
        } else {
            EXPIRING_INTERVAL
        }
    }

    /// Whether it is new, or long enough ago that it was said last.
    fn is_due(self, reported: Option<(Self, Instant)>, at: Instant) -> bool {
        reported.is_none_or(|(report, said_at)| {
            report != self || at.duration_since(said_at) >= self.interval()
        })
    }
}

impl Watch {
    fn look(&mut self, now: SystemTime, at: Instant) {
        let expires_at = self.tls.expires_at();
        let left_s = match expires_at.duration_since(now) {
            Ok(left) => left.as_secs_f64(),
            Err(past) => -past.duration().as_secs_f64(),
        };
        gauge!(EXPIRY.name, "face" => self.face.label()).set(left_s);
        let Some(report) = Report::of(expires_at, now) else {
            self.reported = None;
            return;
        };
        if !report.is_due(self.reported, at) {
            return;
        }
        self.reported = Some((report, at));
        let file = self.tls.files().certificate.display();
        let (face, when) = (self.face.name(), date(expires_at));
        if report.is_expired {
            tracing::error!(
                "CERTIFICATE EXPIRED: that of {face} in {file} was valid until {when}. It is still shown, but most \
                 callers refuse it. Replace the files: they are read again within seconds"
            );
        } else {
            tracing::warn!(
                "a certificate expires soon: that of {face} in {file} is valid until {when}, and then most callers \
                 will refuse it. Replace the files: they are read again within seconds"
            );
        }
    }
}

/// As people and programs read it.
fn date(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => format!("{time:.0}"),
        // X.509 has it for certificates that never expire.
        Err(_) => "the end of the calendar".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_warned_about_in_time_and_not_in_floods() {
        let (now, at) = (SystemTime::now(), Instant::now());
        let (day, hour) = (Duration::from_secs(24 * 3600), Duration::from_secs(3600));
        let second = Duration::from_secs(1);
        assert_eq!(Report::of(now + 14 * day + second, now), None);
        let soon = Report::of(now + 14 * day, now).unwrap();
        assert!(!soon.is_expired && soon.is_due(None, at));
        assert!(!soon.is_due(Some((soon, at)), at + day - second));
        assert!(soon.is_due(Some((soon, at)), at + day));
        let expired = Report::of(now, now).unwrap();
        assert!(expired.is_expired, "its last moment is over");
        let before = Report {
            is_expired: false,
            ..expired
        };
        assert!(
            expired.is_due(Some((before, at)), at),
            "it is another matter now"
        );
        assert!(!expired.is_due(Some((expired, at)), at + hour - second));
        assert!(expired.is_due(Some((expired, at)), at + hour));
    }

    #[test]
    fn dates_are_of_a_second() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        assert_eq!(date(time), "2023-11-14T22:13:20Z");
    }
}
