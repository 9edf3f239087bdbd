//! Binding to an address, and accepting from it.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::{
    TcpListener, TcpSocket, TcpStream, UnixListener, UnixSocket, UnixStream, lookup_host,
};

use crate::address::ListenAddress;
use crate::peer::Peer;
use crate::tls::ServerTls;

/// How many connections may wait to be accepted; the system may lower it.
const BACKLOG: u32 = 4_096;

/// Who may connect to a Unix socket; addresses of another kind have no such thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SocketAccess {
    /// The permissions of the socket's file: who may write may connect. `None`: what the umask leaves.
    pub mode: Option<u32>,
    /// The number of the group that the file belongs to. `None`: the process's own.
    pub group: Option<u32>,
}

/// A bound address that can be served on.
///
/// A Unix socket's file is removed when the listener is dropped, unless it is another one by then.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    pub(crate) tls: Option<ServerTls>,
    address: ListenAddress,
    /// The file of a Unix socket.
    file: Option<FileIdentity>,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that was accepted.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Where it comes from; `None` over a Unix socket, or if it has ended already.
    pub(crate) fn peer(&self) -> Option<Peer> {
        match self {
            Self::Tcp(tcp) => tcp.peer_addr().ok().map(|address| Peer::new(address.ip())),
            Self::Unix(_) => None,
        }
    }
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: ListenAddress,
    #[source]
    source: io::Error,
}

/// Binds to an address, a Unix socket with the permissions that the umask leaves. See [`bind_for`].
///
/// # Errors
///
/// See [`bind_for`].
pub async fn bind(address: &ListenAddress) -> Result<Listener, BindError> {
    bind_for(address, SocketAccess::default()).await
}

/// Binds to an address. A Unix socket's file that no process listens on any more is replaced; one
/// in use, or a file of another kind, is left alone and refused: of several processes that bind at once one
/// gets it. Nobody can connect to a Unix socket before it
/// has the permissions of `access`.
///
/// # Errors
///
/// When the system does not allow it: which address, and why.
pub async fn bind_for(
    address: &ListenAddress,
    access: SocketAccess,
) -> Result<Listener, BindError> {
    let bound = match address {
        ListenAddress::Tcp { host, port } => {
            let bound = bind_tcp(host, *port).await;
            bound.map(|socket| (socket, None))
        }
        ListenAddress::Unix(path) => {
            let bound = bind_unix(path, access).await;
            bound.map(|bound| (Socket::Unix(bound.listener), Some(bound.file)))
        }
    };
    let listener = bound.and_then(|(socket, file)| {
        let address = match &socket {
            Socket::Tcp(tcp) => {
                let local = tcp.local_addr()?;
                ListenAddress::Tcp {
                    host: local.ip().to_string(),
                    port: local.port(),
                }
            }
            Socket::Unix(_) => address.clone(),
        };
        Ok(Listener {
            socket,
            tls: None,
            address,
            file,
        })
    });
    listener.map_err(|source| BindError {
        address: address.clone(),
        source,
    })
}

async fn bind_tcp(host: &str, port: u16) -> io::Result<Socket> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match listen_tcp(address) {
            Ok(listener) => return Ok(Socket::Tcp(listener)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A Unix socket that is listened on, and its file.
struct BoundUnix {
    listener: UnixListener,
    file: FileIdentity,
}

/// Who binds in a folder does so alone: another process that looks in the middle would find a file that nobody
/// listens on yet, and take it for one that was left behind.
async fn bind_unix(path: &Path, access: SocketAccess) -> io::Result<BoundUnix> {
    let _alone = lock_folder(path).await?;
    let socket = UnixSocket::new_stream()?;
    match socket.bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_left_behind(path, error).await?;
            socket.bind(path)?;
        }
        bound => bound?,
    }
    // Until it listens every connection is refused: nobody comes in by permissions that are too wide.
    let listening = restrict(path, access)
        .and_then(|()| Ok((FileIdentity::of(path)?, socket.listen(BACKLOG)?)));
    match listening {
        Ok((file, listener)) => Ok(BoundUnix { listener, file }),
        Err(error) => {
            std::fs::remove_file(path)?;
            Err(error)
        }
    }
}

/// Removes a socket's file that no process listens on; `in_use` if one does.
async fn remove_left_behind(path: &Path, in_use: io::Error) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            let text = "a file of this name exists and is not a socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        // Who listened on it has just ended.
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path).await {
        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(in_use),
    }
}

/// How long another process may take to bind in the same folder.
const FOLDER_BOUND: Duration = Duration::from_secs(5);
/// How often it is looked whether it is done.
const FOLDER_PAUSE: Duration = Duration::from_millis(5);

/// The folder of a socket, locked until it is dropped.
async fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let folder = File::open(folder)?;
    let until = Instant::now() + FOLDER_BOUND;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let text = "another process has locked the folder of this socket for too long";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(FOLDER_PAUSE).await,
        }
    }
}

/// What tells one file from another that takes its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

fn restrict(path: &Path, access: SocketAccess) -> io::Result<()> {
    if let Some(group) = access.group {
        chown(path, None, Some(group)).map_err(|error| {
            let text = format!(
                "its file cannot be given to group {group}: {error}; the server's user has to be in that group"
            );
            io::Error::new(error.kind(), text)
        })?;
    }
    match access.mode {
        Some(mode) => std::fs::set_permissions(path, PermissionsExt::from_mode(mode)),
        None => Ok(()),
    }
}

impl Listener {
    /// Serves its connections over TLS, also those over a Unix socket.
    #[must_use]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The address as bound, with the port that the system chose where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The next connection. Cancelling it loses none.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Socket::Unix(unix) => unix.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Before the socket is closed: until then no other process takes the path over, unless somebody has
        // removed the file.
        if let (Some(path), Some(file)) = (self.address.unix_path(), self.file)
            && FileIdentity::of(path).is_ok_and(|found| found == file)
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove the file of the socket");
        }
    }
}
