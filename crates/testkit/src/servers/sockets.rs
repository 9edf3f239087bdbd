//! Who listens on a port. One that was free a moment ago may be somebody else's by the time that a
//! server starts, and then somebody else answers there.

use std::fs;
use std::path::PathBuf;

use super::family::family;

/// Whether this process, or one that it has started, listens on this port.
pub(super) fn listens(id: u32, port: u16) -> bool {
    let sockets = listening(port);
    let is_one = |path: PathBuf| {
        let target = fs::read_link(path).unwrap_or_default();
        sockets.iter().any(|socket| target.as_os_str() == &**socket)
    };
    let mut files = family(id).into_iter().flat_map(|id| {
        let files = fs::read_dir(format!("/proc/{id}/fd"));
        files.into_iter().flatten().flatten()
    });
    files.any(|file| is_one(file.path()))
}

/// The sockets that listen on this port, as links to them are called; see proc(5).
fn listening(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let socket = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        let inode = fields.nth(5)?;
        (local.ends_with(&port) && state == LISTEN).then(|| format!("socket:[{inode}]"))
    };
    table.lines().filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::listens;

    #[test]
    fn only_who_listens_does() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(std::process::id(), port));
        // A parent listens where its child does; a child not where its parent does.
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(!listens(child.id(), port));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(listener);
        assert!(!listens(std::process::id(), port));
    }
}
