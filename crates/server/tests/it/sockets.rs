//! Who may connect to a Unix socket.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};

use server::{ListenAddress, SocketAccess, bind_for};

/// A group that no user of a test's machine is in.
const NOBODYS_GROUP: u32 = 4_000_000_001;

#[tokio::test]
async fn a_unix_socket_has_the_permissions_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lastro.sock");
    let address = ListenAddress::Unix(path.clone());
    for mode in [0o600, 0o660, 0o666] {
        let access = SocketAccess {
            mode: Some(mode),
            group: None,
        };
        let _listener = bind_for(&address, access).await.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn a_unix_socket_belongs_to_the_group_that_is_asked_for_or_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lastro.sock");
    let address = ListenAddress::Unix(path.clone());
    let access = SocketAccess {
        mode: Some(0o660),
        group: Some(NOBODYS_GROUP),
    };
    match bind_for(&address, access).await {
        // Root may give it to any group.
        Ok(_listener) => assert_eq!(path.metadata().unwrap().gid(), NOBODYS_GROUP),
        Err(error) => {
            let source = std::error::Error::source(&error).unwrap().to_string();
            let expected = "the server's user has to be in that group";
            assert!(source.ends_with(expected), "{source}");
            assert!(!path.exists(), "nothing is left behind");
        }
    }
}

/// Whether the path is free, or has a file that a process has left behind.
#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_bind_a_unix_socket_at_once_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..100 {
        let path = folder.path().join(format!("{round}.sock"));
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).unwrap());
        }
        let address = ListenAddress::Unix(path.clone());
        let binds = (0..8).map(|_| {
            let address = address.clone();
            tokio::spawn(async move { bind_for(&address, SocketAccess::default()).await })
        });
        let mut listeners = Vec::new();
        for bind in binds.collect::<Vec<_>>() {
            match bind.await.unwrap() {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    let source = std::error::Error::source(&error).unwrap().to_string();
                    assert!(source.starts_with("Address already in use"), "{source}");
                }
            }
        }
        assert_eq!(listeners.len(), 1, "round {round}");
        UnixStream::connect(&path).unwrap();
        drop(listeners);
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_listener_that_ends_leaves_the_file_of_another_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lastro.sock");
    let address = ListenAddress::Unix(path.clone());
    let bind = || bind_for(&address, SocketAccess::default());
    let first = bind().await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = bind().await.unwrap();
    drop(first);
    UnixStream::connect(&path).unwrap();
    drop(second);
    assert!(!path.exists());
}
