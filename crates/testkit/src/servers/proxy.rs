//! nginx, HAProxy and Envoy before HTTP servers: with a small configuration made here, or a given
//! one.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::options::{self, Folder, ServerOptions};
use super::{STOP_BOUND, ServerProcess, StopSignal, ports, program};

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// nginx, round robin.
    Nginx,
    /// HAProxy, least connections.
    Haproxy,
    /// Envoy, round robin.
    Envoy,
}

impl ProxyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Haproxy, Self::Envoy];

    /// Its program's name.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
        }
    }

    /// The kind with this program.
    #[must_use]
    pub fn named(program: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.program() == program)
    }

    /// How it is asked to finish what it has accepted and end.
    #[must_use]
    pub const fn graceful_stop(self) -> StopSignal {
        match self {
            Self::Nginx => StopSignal::Quit,
            Self::Haproxy => StopSignal::User1,
            Self::Envoy => StopSignal::Terminate,
        }
    }

    /// The command that runs it in the foreground with this configuration. Relative paths in the
    /// configuration start at `folder`.
    fn command(self, options: &ServerOptions, folder: &Path) -> Result<Command, String> {
        let config = folder.join(self.config_file());
        let mut command = options::command(&options.launcher, program(self.program())?);
        match self {
            Self::Nginx => command.arg("-p").arg(folder).arg("-c").arg(config).args([
                "-e",
                "stderr",
                "-g",
                "daemon off;",
            ]),
            Self::Haproxy => command.args(["-db", "-f"]).arg(config),
            Self::Envoy => command
                .args(["--disable-hot-restart", "--concurrency", "1"])
                .args(["--log-level", "warning", "--config-path"])
                .arg(config),
        };
        command.current_dir(folder);
        Ok(command)
    }

    const fn config_file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::Haproxy => "haproxy.cfg",
            Self::Envoy => "envoy.yaml",
        }
    }

    /// A small configuration: everything that comes to this port goes to the backends.
    fn config(self, port: u16, backends: &[SocketAddr]) -> String {
        let (head, backend, tail): (_, fn(usize, &SocketAddr) -> String, _) = match self {
            Self::Nginx => (
                NGINX.0,
                |_, address| format!("        server {address};\n"),
                NGINX.1,
            ),
            Self::Haproxy => (
                HAPROXY,
                |number, address| format!("    server node{number} {address}\n"),
                "",
            ),
            Self::Envoy => (
                ENVOY,
                |_, address| {
                    let (host, port) = (address.ip(), address.port());
                    format!(
                        "          - endpoint: {{ address: {{ socket_address: \
                         {{ address: {host}, port_value: {port} }} }} }}\n"
                    )
                },
                "",
            ),
        };
        let mut text = head.to_owned();
        for (number, address) in backends.iter().enumerate() {
            let _ = write!(text, "{}", backend(number + 1, address));
        }
        (text + tail).replace("{port}", &port.to_string())
    }
}

/// A running proxy. Killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    // In this order: the processes go before their folder.
    process: ServerProcess,
    _folder: Folder,
    kind: ProxyKind,
    port: u16,
}

impl Proxy {
    /// A proxy on a free port before these backends.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start(kind: ProxyKind, backends: &[SocketAddr]) -> Result<Self, String> {
        let config = |port| kind.config(port, backends);
        Self::start_with(kind, &ServerOptions::default(), config)
    }

    /// A proxy as told, with the configuration that `config` makes for its port.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start_with(
        kind: ProxyKind,
        options: &ServerOptions,
        config: impl Fn(u16) -> String,
    ) -> Result<Self, String> {
        let name = kind.program();
        ports::start_on(options.port, |port| {
            let folder = options.folder(name)?;
            std::fs::write(folder.path().join(kind.config_file()), config(port))
                .map_err(|error| format!("no configuration for {name}: {error}"))?;
            let command = kind.command(options, folder.path())?;
            let mut process = ServerProcess::spawn(name, command, &folder.log())?;
            let answers = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            process.wait_until_it_serves(port, answers)?;
            Ok(Self {
                process,
                _folder: folder,
                kind,
                port,
            })
        })
    }

    /// Which one it is.
    #[must_use]
    pub const fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process itself.
    pub const fn process(&mut self) -> &mut ServerProcess {
        &mut self.process
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// Asks it to finish what it has accepted and end.
    ///
    /// # Errors
    ///
    /// When it does not stop in time; it is killed then.
    pub fn stop(self) -> Result<(), String> {
        let signal = self.kind.graceful_stop();
        self.process.stop(signal, STOP_BOUND).map(drop)
    }

    /// `kill -9`.
    pub fn kill(self) {
        self.process.kill();
    }
}

const NGINX: (&str, &str) = (
    "worker_processes 1;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path temporary_body;
    proxy_temp_path temporary_proxy;
    fastcgi_temp_path temporary_fastcgi;
    uwsgi_temp_path temporary_uwsgi;
    scgi_temp_path temporary_scgi;
    upstream nodes {
        keepalive 16;
",
    "    }
    server {
        listen 127.0.0.1:{port};
        location / {
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }
}
",
);

const HAPROXY: &str = "global
    maxconn 1000
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
frontend front
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance leastconn
";

const ENVOY: &str = "static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: {port} } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: nodes
              domains: ['*']
              routes:
              - match: { prefix: / }
                route: { cluster: nodes }
  clusters:
  - name: nodes
    connect_timeout: 1s
    load_assignment:
      cluster_name: nodes
      endpoints:
      - lb_endpoints:
";
