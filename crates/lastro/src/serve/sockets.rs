//! Who may connect to the Unix sockets of the faces.

use anyhow::{Context, bail, ensure};
use nix::unistd::Group;
use server::SocketAccess;

use super::settings::HttpSettings;

/// What these settings ask for; `is_any` if a face is served on a Unix socket.
pub(super) fn access(settings: &HttpSettings, is_any: bool) -> anyhow::Result<SocketAccess> {
    let access = SocketAccess {
        mode: match &settings.listen_mode {
            Some(text) => Some(mode(text)?),
            None => None,
        },
        group: match &settings.listen_group {
            Some(name) => Some(group(name)?),
            None => None,
        },
    };
    ensure!(
        is_any || access == SocketAccess::default(),
        "--listen-mode and --listen-group belong to Unix sockets: give an address unix:PATH to --listen, \
         --grpc-listen or --metrics-listen"
    );
    Ok(access)
}

fn mode(text: &str) -> anyhow::Result<u32> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(mode),
        Ok(_) | Err(_) => {
            bail!("--listen-mode {text}: permissions are an octal number up to 0777, such as 0660")
        }
    }
}

fn group(name: &str) -> anyhow::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = Group::from_name(name);
    let found = found.with_context(|| format!("--listen-group {name}: cannot look it up"))?;
    let group = found.with_context(|| {
        format!("--listen-group {name}: this machine has no group of this name")
    })?;
    Ok(group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal() {
        assert_eq!(mode("0660").unwrap(), 0o660);
        assert_eq!(mode("777").unwrap(), 0o777);
        for text in ["", "0o660", "+660", "668", "01000", "rw-rw----"] {
            let error = mode(text).unwrap_err().to_string();
            assert!(error.contains("such as 0660"), "{text}: {error}");
        }
    }

    #[test]
    fn groups_have_names_or_numbers() {
        assert_eq!(group("root").unwrap(), 0);
        assert_eq!(group("4711").unwrap(), 4711);
        let error = group("no-such-group").unwrap_err().to_string();
        assert_eq!(
            error,
            "--listen-group no-such-group: this machine has no group of this name"
        );
    }

    #[test]
    fn only_unix_sockets_have_permissions() {
        let settings = HttpSettings {
            listen_mode: Some("0660".to_owned()),
            ..HttpSettings::default()
        };
        let expected = SocketAccess {
            mode: Some(0o660),
            group: None,
        };
        assert_eq!(access(&settings, true).unwrap(), expected);
        let error = access(&settings, false).unwrap_err().to_string();
        assert!(error.contains("belong to Unix sockets"), "{error}");
        let default = access(&HttpSettings::default(), false).unwrap();
        assert_eq!(default, SocketAccess::default());
    }
}
