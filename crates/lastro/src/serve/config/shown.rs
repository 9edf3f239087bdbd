//! The configuration in force, as the start prints it: without passwords.

use std::fmt;

use journal::Durability;
use ledger::ClockBounds;
use server::TlsFiles;

use super::Config;
use crate::serve::engine_config::EngineConfig;
use crate::serve::payments::Shown;
use crate::serve::webhooks;
use crate::serve::write_behind::promise;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "role            {}", self.role.as_str())?;
        writeln!(
            f,
            "listen          {}{}",
            self.listen,
            tls(self.tls.http.as_ref())
        )?;
        if !self.host.is_empty() {
            writeln!(f, "host            {}", self.host.join(", "))?;
        }
        match &self.metrics_listen {
            Some(address) => {
                let tls = tls(self.tls.metrics.as_ref());
                writeln!(f, "metrics_listen  {address}{tls}")?;
            }
            None => writeln!(f, "metrics_listen  none")?,
        }
        match &self.engine {
            EngineConfig::Embedded => {
                writeln!(f, "engine          embedded")?;
                writeln!(f, "data_dir        {}", self.data_dir.display())?;
                writeln!(f, "durability      {}", durability(self.durability))?;
                writeln!(f, "clock           {}", clock(&self.clock))?;
            }
            EngineConfig::Postgres { url, options } => {
                writeln!(f, "engine          postgres")?;
                crate::database::print(f, url, options)?;
                let clock = clock(&options.clock);
                writeln!(f, "clock           {clock}, that of the database")?;
            }
            EngineConfig::Remote { ledger, tls, key } => {
                let tls = if tls.is_some() { " over TLS" } else { "" };
                let key = if key.is_some() { ", with a key" } else { "" };
                writeln!(f, "ledger          {ledger}{tls}{key}")?;
            }
            EngineConfig::WriteBehind(config) => {
                writeln!(f, "engine          write-behind")?;
                let place =
                    engine_write_behind::place(&config.redis.url).map_err(|_| fmt::Error)?;
                writeln!(f, "redis           {place}")?;
                crate::database::print(f, &config.database_url, &config.database)?;
                writeln!(f, "durability      {}", promise(self.durability))?;
                writeln!(f, "clock           {}, that of Redis", clock(&config.clock))?;
                if config.accepts_data_loss {
                    writeln!(
                        f,
                        "data_loss       accepted at this start (--accept-data-loss)"
                    )?;
                }
            }
        }
        if let Some(id) = &self.expect_ledger {
            writeln!(f, "expect_ledger   {id}")?;
        }
        if let Some(address) = &self.grpc_listen {
            let tls = tls(self.tls.grpc.as_ref());
            writeln!(f, "grpc_listen     {address}{tls}")?;
        }
        if let Some(mode) = self.sockets.mode {
            writeln!(f, "listen_mode     {mode:04o}")?;
        }
        if let Some(group) = self.sockets.group {
            writeln!(f, "listen_group    {group}")?;
        }
        match self.outbox() {
            Some(outbox) => writeln!(
                f,
                "outbox          {}, at most {} bytes, durability {}",
                outbox.directory.display(),
                outbox.bytes_max,
                outbox.durability
            )?,
            None => writeln!(f, "outbox          none")?,
        }
        write!(f, "{}", Shown(self.payments.as_ref()))?;
        write!(f, "{}", webhooks::Shown(&self.webhooks))?;
        match &self.keys {
            None => writeln!(f, "keys            none (requests need no key)")?,
            Some(place) => writeln!(f, "keys            {place}")?,
        }
        if self.open_challenge {
            writeln!(f, "open_challenge  true")?;
        }
        writeln!(f, "enable_purge    {}", self.enable_purge)?;
        writeln!(f, "demo            {}", self.demo)?;
        writeln!(f, "wait_s          {}", self.wait.as_secs())?;
        writeln!(f, "access_log      {}", self.log.access.as_str())?;
        match &self.collector {
            Some(collector) => writeln!(f, "traces          {collector}")?,
            None => writeln!(f, "traces          none")?,
        }
        writeln!(f, "listen_public   {}", self.listen_public)?;
        writeln!(f, "metrics_public  {}", self.metrics_public)?;
        write!(f, "plaintext       {}", self.plaintext)
    }
}

/// How a face is spoken to.
fn tls(files: Option<&TlsFiles>) -> &'static str {
    match files {
        None => "",
        Some(files) if files.client_ca.is_some() => " over TLS, callers need a certificate",
        Some(_) => " over TLS",
    }
}

/// How far a clock is trusted.
fn clock(bounds: &ClockBounds) -> String {
    let jump_max_s = bounds.jump_max.as_secs();
    let accepted = if bounds.is_accepted {
        ", accepted at this start (--accept-clock)"
    } else {
        ""
    };
    format!("may jump {jump_max_s} s{accepted}")
}

const fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => "disk (an answered write survives a power cut)",
        Durability::Os => "os (an answered write survives kill -9, but NOT a power cut)",
    }
}
