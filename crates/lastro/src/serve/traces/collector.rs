//! The collector that spans are sent to: its settings, and one message to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::resource::v1::Resource;
use parking_lot::Mutex;
use stdx::Throttle;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Uri};
use tonic::{Code, Status};
use trace::Ratio;

use super::otlp;
use crate::database::is_loopback;
use crate::keys::check_secret_file;
use crate::serve::reload::{Reloads, WatchedFiles};
use crate::settings::{Settings as _, settings};

/// How long a connection to the collector may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a message may take to be answered.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector that does not answer pings for this long is connected to anew.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

settings! {
    /// Where traces go.
    pub(in crate::serve) struct TraceSettings in "Traces" {
        /// Collector that traces are sent to, with OTLP over gRPC: `http://host:port` or `https://host:port`.
        /// Without it no request is traced. Variables that begin with `OTEL_` are not read.
        otlp_endpoint: Option<String>, env "LASTRO_OTLP_ENDPOINT", value_name = "URL";
        /// PEM file with certificates of the authorities that may sign the collector's certificate. Without
        /// it: the authorities that this machine trusts.
        otlp_ca: Option<PathBuf>, env "LASTRO_OTLP_CA", value_name = "FILE";
        /// File with a header for the collector as its only line, such as `authorization: Bearer …`. It is read
        /// again at SIGHUP and when it changes.
        otlp_header_file: Option<PathBuf>, env "LASTRO_OTLP_HEADER_FILE", value_name = "FILE";
        /// Share of the requests that are traced, from 0 to 1. A caller that sends a `traceparent` decides
        /// it for its request.
        trace_ratio: Ratio = 0.01, env "LASTRO_TRACE_RATIO", value_name = "SHARE";
    }
}

/// The collector, as the settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct Collector {
    endpoint: Uri,
    ca: Option<PathBuf>,
    header_file: Option<PathBuf>,
    pub(super) ratio: Ratio,
}

impl std::fmt::Display for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = match self.header_file {
            Some(_) => ", with a header",
            None => "",
        };
        write!(f, "{}{header}, ratio {}", shown(&self.endpoint), self.ratio)
    }
}

/// `http://host:port`, without the `/` that is added to it.
fn shown(endpoint: &Uri) -> String {
    endpoint.to_string().trim_end_matches('/').to_owned()
}

impl Collector {
    /// The collector that the settings name; `None` without one.
    pub(in crate::serve) fn of(settings: &TraceSettings) -> anyhow::Result<Option<Self>> {
        let Some(text) = &settings.otlp_endpoint else {
            if settings.is_any() {
                bail!(
                    "--trace-ratio, --otlp-ca and --otlp-header-file can only be used with --otlp-endpoint"
                );
            }
            return Ok(None);
        };
        let endpoint = endpoint(text).context("--otlp-endpoint")?;
        if settings.otlp_ca.is_some() && endpoint.scheme_str() != Some("https") {
            bail!("--otlp-ca needs a --otlp-endpoint that begins with https://");
        }
        Ok(Some(Self {
            endpoint,
            ca: settings.otlp_ca.clone(),
            header_file: settings.otlp_header_file.clone(),
            ratio: settings.trace_ratio(),
        }))
    }

    /// Fails if spans, and the header, would be sent to another machine unencrypted.
    pub(in crate::serve) fn check_encrypted(&self) -> anyhow::Result<()> {
        let host = self.endpoint.host().unwrap_or_default();
        let is_plain = self.endpoint.scheme_str() == Some("http");
        if is_plain && !is_loopback(host.trim_matches(['[', ']'])) {
            bail!(
                "traces would be sent to {host} unencrypted: use https:// in --otlp-endpoint, send them \
                 through a collector on loopback, or allow it with --plaintext"
            );
        }
        Ok(())
    }

    /// What sends to it; not connected yet. Needs to be in a runtime.
    pub(super) fn sender(&self, role: &'static str) -> anyhow::Result<(Sender, Option<Header>)> {
        let mut endpoint = Endpoint::from(self.endpoint.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        if self.endpoint.scheme_str() == Some("https") {
            let tls = ClientTlsConfig::new();
            let tls = match &self.ca {
                Some(path) => {
                    let pem = std::fs::read(path);
                    let pem =
                        pem.with_context(|| format!("--otlp-ca: cannot read {}", path.display()))?;
                    tls.ca_certificate(Certificate::from_pem(pem))
                }
                None => tls.with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls).context("--otlp-ca")?;
        }
        let header = match &self.header_file {
            Some(path) => Some(Header::open(path)?),
            None => None,
        };
        let sender = Sender {
            client: TraceServiceClient::new(endpoint.connect_lazy()),
            header: header.clone(),
            endpoint: shown(&self.endpoint),
            resource: otlp::resource(role),
            refusals: Throttle::new(WARNING_INTERVAL),
        };
        Ok((sender, header))
    }
}

/// The text may have a password in it, which no error quotes.
fn endpoint(text: &str) -> anyhow::Result<Uri> {
    let expected = "a URL such as http://127.0.0.1:4317 or https://collector:4317, without a path, user or password";
    let uri: Uri = text
        .parse()
        .ok()
        .with_context(|| format!("not {expected}"))?;
    let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
    ensure!(is_known && is_plain && !has_path, "not {expected}");
    Ok(uri)
}

/// A header for the collector. Clones share it.
#[derive(Clone)]
pub(super) struct Header {
    path: PathBuf,
    pair: Arc<Mutex<Pair>>,
}

type Pair = (MetadataKey<Ascii>, MetadataValue<Ascii>);

impl Header {
    fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            pair: Arc::new(Mutex::new(read_header(path).context("--otlp-header-file")?)),
            path: path.to_owned(),
        })
    }

    pub(super) fn watch(&self, reloads: &mut Reloads) {
        let files = WatchedFiles::new([self.path.clone()]);
        let name = format!("the header of the collector in {}", self.path.display());
        let Self { path, pair } = self.clone();
        reloads.add(name, files, move || {
            *pair.lock() = read_header(&path)?;
            Ok(())
        });
    }
}

/// No error quotes the file.
fn read_header(path: &Path) -> anyhow::Result<Pair> {
    let place = path.display();
    check_secret_file(path)?;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let parse = || {
        let (name, value) = text.trim().split_once(':')?;
        let name: MetadataKey<Ascii> = name.trim().to_ascii_lowercase().parse().ok()?;
        let mut value: MetadataValue<Ascii> = value.trim().parse().ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    parse().with_context(|| {
        format!("{place} must have a header as its only line, such as `authorization: Bearer …`")
    })
}

/// Sends messages to the collector.
pub(super) struct Sender {
    client: TraceServiceClient<Channel>,
    header: Option<Header>,
    endpoint: String,
    resource: Resource,
    refusals: Throttle,
}

/// Why the collector has not taken a message.
pub(super) enum NotTaken {
    /// It does not want it.
    Refused(String),
    /// It did not answer, or asks for it again.
    Away(String),
}

impl Sender {
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Sends a message; returns how many of its spans the collector refused.
    pub(super) async fn send(&mut self, request: otlp::Request) -> Result<usize, NotTaken> {
        let mut request = tonic::Request::new(request);
        if let Some(header) = &self.header {
            let (name, value) = header.pair.lock().clone();
            request.metadata_mut().insert(name, value);
        }
        let answer = tokio::time::timeout(SEND_TIMEOUT, self.client.export(request)).await;
        let answer = answer.map_err(|_| {
            NotTaken::Away(format!("no answer within {} s", SEND_TIMEOUT.as_secs()))
        })?;
        let answer = answer.map_err(|status| not_taken(&status))?.into_inner();
        let Some(partial) = answer.partial_success else {
            return Ok(0);
        };
        let refused = usize::try_from(partial.rejected_spans).unwrap_or(0);
        if refused > 0 {
            self.report_refusal(refused, "it took a part of a message");
        }
        Ok(refused)
    }

    pub(super) fn report_refusal(&self, spans: usize, why: &str) {
        if let Some(held_back) = self.refusals.pass() {
            let endpoint = &self.endpoint;
            tracing::warn!(
                error = why,
                held_back,
                "the collector of traces at {endpoint} refused {spans} spans, which are lost: {why}. Check \
                 --otlp-endpoint and --otlp-header-file"
            );
        }
    }
}

/// What the collector says may repeat the header: only what comes from the connection itself is quoted.
fn not_taken(status: &Status) -> NotTaken {
    if let Some(source) = std::error::Error::source(status) {
        return NotTaken::Away(stdx::ErrorChain(source).to_string());
    }
    let code = status.code();
    let why = format!("it answered {code:?}");
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted
        | Code::Unknown => NotTaken::Away(why),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => NotTaken::Refused(why),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(arguments: &[&str]) -> anyhow::Result<Option<Collector>> {
        use clap::{Args, Command, FromArgMatches};
        let command = TraceSettings::augment_args(Command::new("traces"));
        let all = std::iter::once("traces").chain(arguments.iter().copied());
        let matches = command.try_get_matches_from(all)?;
        Collector::of(&TraceSettings::from_arg_matches(&matches)?)
    }

    #[test]
    fn a_collector_is_named_by_a_url_without_a_path() {
        assert_eq!(of(&[]).unwrap(), None);
        let shown = |arguments: &[&str]| of(arguments).unwrap().unwrap().to_string();
        let plain = ["--otlp-endpoint", "http://127.0.0.1:4317"];
        assert_eq!(shown(&plain), "http://127.0.0.1:4317, ratio 0.01");
        let all = [
            "--otlp-endpoint",
            "https://collector:4317/",
            "--otlp-header-file",
            "/header",
            "--trace-ratio",
            "1",
        ];
        assert_eq!(
            shown(&all),
            "https://collector:4317, with a header, ratio 1"
        );
        for text in [
            "collector:4317",
            "ftp://collector",
            "http://collector/v1/traces",
            "http://me:s3cret@collector:4317",
            "http://collector?s3cret",
            "",
        ] {
            let error = format!("{:#}", of(&["--otlp-endpoint", text]).unwrap_err());
            assert!(
                error.starts_with("--otlp-endpoint: not a URL such as"),
                "{error}"
            );
            assert!(!error.contains("s3cret"), "{error}");
        }
        for (arguments, expected) in [
            (
                &["--trace-ratio", "1"][..],
                "can only be used with --otlp-endpoint",
            ),
            (
                &["--otlp-endpoint", "http://[::1]:4317", "--otlp-ca", "/ca"][..],
                "begins with https://",
            ),
            (&["--trace-ratio", "2"][..], "a number from 0 to 1"),
        ] {
            let error = format!("{:#}", of(arguments).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn other_machines_are_reached_over_tls() {
        let checked = |endpoint| {
            let collector = of(&["--otlp-endpoint", endpoint]).unwrap().unwrap();
            collector.check_encrypted()
        };
        for endpoint in [
            "http://127.0.0.1:4317",
            "http://[::1]:4317",
            "https://collector",
        ] {
            assert!(checked(endpoint).is_ok(), "{endpoint}");
        }
        let error = checked("http://collector:4317").unwrap_err().to_string();
        assert!(
            error.contains("traces would be sent to collector unencrypted"),
            "{error}"
        );
    }

    #[test]
    fn a_share_in_the_file_is_a_number() {
        for (text, ratio) in [("trace_ratio = 1", "1"), ("trace_ratio = 0.5", "0.5")] {
            let settings = TraceSettings::read(text).unwrap();
            assert_eq!(settings.trace_ratio().to_string(), ratio);
        }
        assert!(TraceSettings::read("trace_ratio = 2").is_err());
    }

    #[test]
    fn a_header_is_one_line_of_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("header");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read_header(&path).map_err(|error| format!("{error:#}"))
        };
        let (name, value) = write("Authorization: Bearer s3cret\n", 0o600).unwrap();
        assert_eq!(
            (name.as_str(), value.to_str().unwrap()),
            ("authorization", "Bearer s3cret")
        );
        assert!(!format!("{value:?}").contains("s3cret"));
        for (text, mode, expected) in [
            ("s3cret", 0o600, "must have a header as its only line"),
            ("a b: s3cret", 0o600, "must have a header as its only line"),
            (
                "a: s3cret\nb: s3cret",
                0o600,
                "must have a header as its only line",
            ),
            ("a: s3cret", 0o644, "can be read or written by other users"),
        ] {
            let error = write(text, mode).unwrap_err();
            assert!(
                error.contains(expected) && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}
