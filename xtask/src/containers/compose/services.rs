//! The services of a profile: what is the same as in its native start, and what is not.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use testkit::servers::ProxyKind;

use super::super::images;
use super::network::Network;
use super::service::{After, SOCKETS, Service};
use crate::stack::{Database, DatabaseKind, Limits, Node, Profile, Proxy};

/// The address of every port in a profile.
const HOME: &str = "127.0.0.1";
/// The address that is reached from other containers.
const EVERYWHERE: &str = "0.0.0.0";
/// The user of our image.
const USER: &str = "65532:65532";
/// Where the configuration of a service is mounted.
const CONFIGURATION: &str = "/etc/lastro";
const DATA: &str = "/var/lib/lastro";
const SECRETS: &str = "/run/secrets";

/// The share of the service that makes the passwords. It has ended before anything else starts.
pub(super) const OF_SECRETS: Limits = Limits {
    cpus: Some(0.05),
    memory_mb: Some(16),
};

/// Makes the services of a profile.
pub(super) struct Services<'a> {
    profile: &'a Profile,
    network: Network,
    /// Who listens on each port.
    owners: BTreeMap<u16, &'a str>,
}

impl<'a> Services<'a> {
    pub(super) fn of(profile: &'a Profile, network: Network) -> Self {
        let mut owners = BTreeMap::new();
        for database in &profile.databases {
            owners.insert(database.port, database.kind.name());
        }
        for node in &profile.nodes {
            let ports = node.arguments.iter().zip(node.arguments.iter().skip(1));
            let ports = ports.filter(|(flag, _)| flag.ends_with("listen"));
            for (_, address) in ports {
                let port = address
                    .strip_prefix(HOME)
                    .and_then(|it| it.strip_prefix(':'));
                if let Some(port) = port.and_then(|port| port.parse().ok()) {
                    owners.insert(port, &node.name);
                }
            }
        }
        if let Some(proxy) = &profile.proxy {
            owners.insert(proxy.port, proxy.kind.program());
        }
        Self {
            profile,
            network,
            owners,
        }
    }

    pub(super) fn all(&self) -> Result<Vec<Service>> {
        let mut services = Vec::new();
        if self.profile.has_secrets() {
            services.push(self.secrets()?);
        }
        services.extend(self.profile.databases.iter().map(|it| self.database(it)));
        for node in &self.profile.nodes {
            services.push(self.node(node)?);
        }
        if let Some(proxy) = &self.profile.proxy {
            services.push(self.proxy(proxy)?);
        }
        Ok(services)
    }

    /// Who is named in a text, by a port or by the folder of a socket; in the order of the profile.
    fn named_in(&self, text: &str, by: &str) -> Vec<&'a str> {
        let databases = self.profile.databases.iter().map(|it| it.kind.name());
        let nodes = self.profile.nodes.iter().map(|node| node.name.as_str());
        let is_named = |name: &&str| {
            let mut ports = self.owners.iter().filter(|(_, owner)| *owner == name);
            let is_word = |port: &u16| {
                let digits = |letter: char| !letter.is_ascii_digit();
                text.split(digits).any(|number| number == port.to_string())
            };
            *name != by && (text.contains(&folder_of(name)) || ports.any(|(port, _)| is_word(port)))
        };
        databases.chain(nodes).filter(is_named).collect()
    }

    /// The text with the addresses of this network.
    fn addressed(&self, text: &str, by: &str) -> String {
        if self.network == Network::Host {
            return text.to_owned();
        }
        let mut text = text.to_owned();
        for (port, owner) in &self.owners {
            let host = if *owner == by { EVERYWHERE } else { owner };
            // As Envoy writes it, and as everybody else does.
            for between in [":", ", port_value: "] {
                let from = format!("{HOME}{between}{port}");
                text = text.replace(&from, &format!("{host}{between}{port}"));
            }
        }
        text
    }

    fn on_network(&self, service: &mut Service, ports: impl IntoIterator<Item = u16>) {
        match self.network {
            Network::Bridge => service.ports = ports.into_iter().collect(),
            Network::Host => {
                service.network_mode = Some("host");
                let names = self.profile.databases.iter().map(|it| it.kind.name());
                let has_urls = service.command.iter().any(|it| it.ends_with("-url-file"));
                let hosts = names
                    .filter(|_| has_urls)
                    .map(|name| format!("{name}:{HOME}"));
                service.extra_hosts = hosts.collect();
            }
        }
    }

    /// Makes the passwords of the databases, once, each readable by its users alone.
    fn secrets(&self) -> Result<Service> {
        let postgres = self.profile.database(DatabaseKind::Postgres);
        let postgres = postgres.context("only a PostgreSQL has a program that makes passwords")?;
        let mut script = format!(
            "cd {SECRETS}\n\
             if [ -e made ]; then exit; fi\n\
             random() {{ od -An -N24 -tx1 /dev/urandom | tr -d ' \\n'; }}\n\
             umask 077\n\
             password=$$(random)\n\
             printf '%s' \"$$password\" >database_password\n\
             printf 'postgres://postgres:%s@postgres:{}/postgres' \"$$password\" >database_url\n\
             chown 999 database_password\n\
             chown 65532 database_url\n",
            postgres.port
        );
        if let Some(redis) = self.profile.database(DatabaseKind::Redis) {
            script += &format!(
                "password=$$(random)\n\
                 printf 'requirepass %s\\n' \"$$password\" >redis.conf\n\
                 printf 'redis://:%s@redis:{}' \"$$password\" >redis_url\n\
                 chown 999 redis.conf\n\
                 chown 65532 redis_url\n",
                redis.port
            );
        }
        script += "touch made";
        Ok(Service {
            name: "secrets".to_owned(),
            image: images::POSTGRES.to_owned(),
            ends: true,
            user: Some("root"),
            entrypoint: Some("[bash, -euc]"),
            script: Some(script),
            mounts: vec![format!("secrets:{SECRETS}")],
            network_mode: Some("none"),
            cap_add: vec!["CHOWN", "DAC_OVERRIDE"],
            share: match self.profile.limits == Limits::default() {
                true => Limits::default(),
                false => OF_SECRETS,
            },
            ..Service::default()
        })
    }

    fn database(&self, database: &Database) -> Service {
        let port = database.port.to_string();
        let settings = database.settings.iter();
        let mut service = Service {
            name: database.kind.name().to_owned(),
            image: image_of_database(database.kind).to_owned(),
            user: Some("999:999"),
            after: vec![("secrets".to_owned(), After::Completed)],
            share: database.share,
            ..Service::default()
        };
        let of_secrets = format!("secrets:{SECRETS}:ro");
        match database.kind {
            DatabaseKind::Postgres => {
                service.command = vec!["postgres".to_owned()];
                let mut set = |name: &str, value: &str| {
                    service
                        .command
                        .extend(["-c".to_owned(), format!("{name}={value}")]);
                };
                set("port", &port);
                if self.network == Network::Host {
                    set("listen_addresses", HOME);
                }
                settings.for_each(|(name, value)| set(name, value));
                let password = format!("{SECRETS}/database_password");
                service.environment = vec![("POSTGRES_PASSWORD_FILE", password)];
                let data = "postgres-data:/var/lib/postgresql/data".to_owned();
                service.mounts = vec![data, of_secrets];
                service.tmpfs = vec!["/var/run/postgresql", "/tmp"];
                // Over TCP: while a new database is made, the server listens on its socket alone.
                let health = ["CMD", "pg_isready", "--host", HOME, "--port", &port];
                service.health = health.map(str::to_owned).into();
            }
            DatabaseKind::Redis => {
                service.command = vec!["redis-server".to_owned(), format!("{SECRETS}/redis.conf")];
                let mut set = |name: &str, value: &str| {
                    service
                        .command
                        .extend([format!("--{name}"), value.to_owned()]);
                };
                set("port", &port);
                if self.network == Network::Host {
                    set("bind", HOME);
                }
                set("dir", "/data");
                settings.for_each(|(name, value)| set(name, value));
                service.mounts = vec!["redis-data:/data".to_owned(), of_secrets];
                let ask = format!(
                    "REDISCLI_AUTH=$$(sed -n 's/^requirepass //p' {SECRETS}/redis.conf) redis-cli -p {port} ping | grep -q PONG"
                );
                service.health = vec!["CMD-SHELL".to_owned(), ask];
            }
        }
        self.on_network(&mut service, None);
        service
    }

    fn node(&self, node: &Node) -> Result<Service> {
        let is_processor = node.arguments.first().is_some_and(|it| it == "processor");
        let mut service = Service {
            name: node.name.clone(),
            image: "${IMAGE_LASTRO:-lastro}".to_owned(),
            share: node.share,
            ..Service::default()
        };
        let mut keeps_data = false;
        let mut words = node.arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} has no value"));
            match word.as_str() {
                "--data-dir" => {
                    value()?;
                    keeps_data = true;
                    service.command.extend([word.clone(), DATA.to_owned()]);
                }
                "--database-url" | "--redis-url" => {
                    value()?;
                    let file = word.trim_start_matches('-').replace('-', "_");
                    service
                        .command
                        .extend([format!("{word}-file"), format!("{SECRETS}/{file}")]);
                }
                "--role" => {
                    let role = value()?;
                    // The operations that an API node has accepted.
                    keeps_data |= role == "api";
                    service.command.extend([word.clone(), role.clone()]);
                }
                _ => {
                    let word = self.addressed(word, &node.name);
                    service
                        .command
                        .push(word.replace("{profile}", CONFIGURATION));
                    if let Some(file) = word.strip_prefix("{profile}/") {
                        service
                            .mounts
                            .push(format!("./{file}:{CONFIGURATION}/{file}:ro"));
                    }
                }
            }
        }
        self.allow(&mut service, node, is_processor);
        self.mount(
            &mut service,
            &node.arguments.join(" "),
            &node.name,
            keeps_data,
        );
        // One after the other, as natively: of two that begin a ledger in one database at once, one ends.
        let earlier = self
            .profile
            .nodes
            .iter()
            .take_while(|it| it.name != node.name);
        if self.profile.has_secrets()
            && let Some(earlier) = earlier.last()
        {
            service.after.push((earlier.name.clone(), After::Healthy));
        }
        let listen = service.command.iter().position(|word| word == "--listen");
        let address = listen.and_then(|at| service.command.get(at + 1));
        let address = address.with_context(|| format!("{} has no --listen", node.name))?;
        let mut health = vec!["CMD", "/usr/bin/lastro", "health"];
        health.extend(is_processor.then_some("--alive"));
        health.extend(["--listen", address]);
        service.health = health.into_iter().map(str::to_owned).collect();
        let own = self.owners.iter().filter(|(_, owner)| **owner == node.name);
        let is_front = self.profile.proxy.is_none() || node.outside_limits;
        let own = own.map(|(port, _)| *port).filter(|_| is_front);
        self.on_network(&mut service, own);
        if !self.has_network(node) {
            service.extra_hosts.clear();
            service.network_mode = Some("none");
        }
        Ok(service)
    }

    /// Whether it listens on a port or connects to one.
    fn has_network(&self, node: &Node) -> bool {
        let text = node.arguments.join(" ");
        self.owners
            .keys()
            .any(|port| text.contains(&format!("{HOME}:{port}")))
    }

    /// The flags that a start asks for beyond loopback.
    fn allow(&self, service: &mut Service, node: &Node, is_processor: bool) {
        let has_urls = service.command.iter().any(|it| it.ends_with("-url-file"));
        if self.network == Network::Host {
            // The databases have names there too, which the server does not look up to see that they are loopback.
            service
                .command
                .extend(has_urls.then(|| "--plaintext".to_owned()));
            return;
        }
        let mut allow = |flag: &str| service.command.push(flag.to_owned());
        let text = node.arguments.join(" ");
        let listens = |flag: &str| text.contains(&format!("{flag} {HOME}:"));
        match is_processor {
            true => allow("--insecure"),
            false => {
                if listens("--listen") || listens("--grpc-listen") {
                    allow("--listen-public");
                }
                if listens("--metrics-listen") {
                    allow("--metrics-public");
                }
                let named = self.named_in(&text, &node.name);
                if named.iter().any(|name| !text.contains(&folder_of(name))) {
                    allow("--plaintext");
                }
            }
        }
    }

    /// Volumes, and what has to be there before.
    fn mount(&self, service: &mut Service, text: &str, name: &str, keeps_data: bool) {
        if keeps_data {
            service.mounts.push(format!("{name}-data:{DATA}"));
        }
        if service.command.iter().any(|word| word.starts_with(SECRETS)) {
            service.mounts.push(format!("secrets:{SECRETS}:ro"));
        }
        let mut sockets = Vec::new();
        if text.contains("listen unix:") {
            sockets.push(name);
        }
        for named in self.named_in(text, name) {
            service.after.push((named.to_owned(), After::Healthy));
            if text.contains(&folder_of(named)) {
                sockets.push(named);
            }
        }
        for owner in &sockets {
            service
                .mounts
                .push(format!("{owner}{SOCKETS}:/run/{owner}"));
        }
        if !sockets.is_empty() {
            service.working_dir = Some(format!("/run/{name}"));
        }
    }

    fn proxy(&self, proxy: &Proxy) -> Result<Service> {
        let config = proxy.config.to_str().context("a name is not text")?;
        let at = format!("{CONFIGURATION}/{config}");
        let name = proxy.kind.program();
        let source = match self.network {
            Network::Bridge => format!("./bridge/{config}"),
            Network::Host => format!("./{config}"),
        };
        let mut service = Service {
            name: name.to_owned(),
            image: image_of_proxy(proxy.kind).to_owned(),
            mounts: vec![format!("{source}:{at}:ro")],
            share: proxy.share,
            ..Service::default()
        };
        let words: Vec<&str> = match proxy.kind {
            ProxyKind::Nginx => {
                service.user = Some("101:101");
                service.tmpfs = vec!["/run/nginx"];
                vec![
                    "nginx",
                    "-p",
                    "/run/nginx",
                    "-c",
                    &at,
                    "-e",
                    "stderr",
                    "-g",
                    "daemon off;",
                ]
            }
            ProxyKind::Haproxy => {
                // The owner of the nodes' sockets.
                service.user = Some(USER);
                vec!["haproxy", "-db", "-f", &at]
            }
            ProxyKind::Envoy => {
                service.user = Some("101:101");
                service.tmpfs = vec!["/tmp"];
                vec![
                    "envoy",
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                    "--log-level",
                    "warning",
                    "--config-path",
                    &at,
                ]
            }
        };
        service.command = words.into_iter().map(str::to_owned).collect();
        self.mount(&mut service, &proxy.text, name, false);
        ensure!(
            !service.after.is_empty(),
            "the configuration of {name} names no node"
        );
        self.on_network(&mut service, [proxy.port]);
        Ok(service)
    }

    /// The proxy's configuration on this network.
    pub(super) fn proxy_text(&self, proxy: &Proxy, profile: &str) -> String {
        let name = proxy.kind.program();
        let mut text = self.addressed(&proxy.text, name);
        if proxy.kind == ProxyKind::Envoy {
            // Names have to be looked up.
            text = text.replace("type: STATIC", "type: STRICT_DNS");
        }
        let config = proxy.config.display();
        format!("# Made from {config} by `cargo xtask compose {profile}`.\n{text}")
    }
}

pub(super) const fn image_of_database(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Postgres => images::POSTGRES,
        DatabaseKind::Redis => images::REDIS,
    }
}

pub(super) const fn image_of_proxy(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Nginx => images::NGINX,
        ProxyKind::Haproxy => images::HAPROXY,
        ProxyKind::Envoy => images::ENVOY,
    }
}

/// The folder of a node's sockets, as others name it.
fn folder_of(name: &str) -> String {
    format!("../{name}/")
}

impl Profile {
    /// Whether its databases have passwords.
    pub(super) fn has_secrets(&self) -> bool {
        !self.databases.is_empty()
    }

    pub(super) fn database(&self, kind: DatabaseKind) -> Option<&Database> {
        self.databases.iter().find(|database| database.kind == kind)
    }
}
