//! Where the probes of a configuration are answered: for `lastro health`.

use anyhow::{Context, bail};
use server::{ListenAddress, TlsFiles};

use super::settings::{FileSettings, ServeOptions};
use super::tls::FacesTls;
use crate::settings::Settings as _;

/// A face that answers `/healthz` and `/readyz`.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) address: ListenAddress,
    /// The files of its TLS; `None` where it is served without.
    pub(crate) tls: Option<TlsFiles>,
}

/// The face of HTTP or of metrics of `lastro serve` with these options. Reads no secrets.
pub(crate) fn probed(options: ServeOptions, of_metrics: bool) -> anyhow::Result<Probed> {
    let file = match &options.config {
        Some(path) => FileSettings::open(path)?,
        None => FileSettings::default(),
    };
    let settings = options.settings.over(file.settings);
    let tls = FacesTls::of(&settings.http, &settings.grpc)?;
    let (flag, text, tls) = match of_metrics {
        true => (
            "metrics-listen",
            settings.http.metrics_listen(),
            tls.metrics,
        ),
        false => ("listen", settings.http.listen(), tls.http),
    };
    if of_metrics && text == "none" {
        bail!(
            "`--metrics-listen none` serves no metrics: leave out --metrics to ask the face of HTTP"
        );
    }
    let address = text.parse().with_context(|| format!("--{flag}"))?;
    Ok(Probed { address, tls })
}

#[cfg(test)]
mod tests {
    use super::super::settings::ServeSettings;
    use super::*;

    fn options(toml: &str) -> ServeOptions {
        ServeOptions {
            settings: ServeSettings::read(toml).unwrap(),
            ..ServeOptions::default()
        }
    }

    #[test]
    fn each_face_has_its_address_and_its_files() {
        let toml = "listen = \"unix:http.sock\"\nmetrics_listen = \"127.0.0.1:1\"\n\
                    metrics_tls_cert = \"a\"\nmetrics_tls_key = \"b\"\n";
        let http = probed(options(toml), false).unwrap();
        assert_eq!(http.address.to_string(), "unix:http.sock");
        assert_eq!(http.tls, None);
        let metrics = probed(options(toml), true).unwrap();
        assert_eq!(metrics.address.to_string(), "127.0.0.1:1");
        assert!(metrics.tls.is_some());
        let defaults = probed(options(""), false).unwrap();
        assert_eq!(defaults.address.to_string(), "127.0.0.1:9999");
    }

    #[test]
    fn a_face_that_is_not_there_cannot_be_asked() {
        let error = probed(options("metrics_listen = \"none\""), true).unwrap_err();
        assert!(error.to_string().contains("leave out --metrics"), "{error}");
    }
}
