//! What `muster serve` is told by flags and by the environment, and how that is laid over the file.
//!
//! This is the only place that reads the process's environment; clap does so for each flag.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use super::{Config, ConfigError, LogFormat, PublicUrl, file, network};

/// The flags of `muster serve` besides `--data` and `--master-key-file`, which other commands take too.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Configuration file (TOML); the environment and flags override it.
    #[arg(long, value_name = "FILE", env = "MUSTER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS", env = "MUSTER_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// NATS servers, separated by commas.
    #[arg(long, value_name = "URL", env = "MUSTER_NATS")]
    pub nats: Option<String>,
    /// Address by which clients reach this service [default: the address it listens on].
    #[arg(long, value_name = "URL", env = "MUSTER_PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,
    /// PEM file of the certificate chain.
    #[arg(long, value_name = "FILE", env = "MUSTER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the private key.
    #[arg(long, value_name = "FILE", env = "MUSTER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Network whose `Forwarded` headers count; may be given several times.
    #[arg(
        long = "trusted-proxy",
        value_name = "CIDR",
        env = "MUSTER_TRUSTED_PROXY",
        value_delimiter = ',',
        value_parser = network
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// Form of the log lines [default: json].
    #[arg(long, value_enum, env = "MUSTER_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Log levels by target, such as `info,muster::outbox=debug` [default: info].
    #[arg(long, value_name = "LEVELS", env = "MUSTER_LOG_LEVEL")]
    pub log_level: Option<String>,
}

impl Flags {
    /// The whole configuration: the file's values under the environment's under the flags'.
    pub fn resolve(
        self,
        data: Option<PathBuf>,
        master_key_file: Option<PathBuf>,
    ) -> Result<Config, ConfigError> {
        let under = self.config.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let config = self.over(under, data, master_key_file);
        config.check()?;
        Ok(config)
    }

    fn over(self, under: Config, data: Option<PathBuf>, master_key_file: Option<PathBuf>) -> Config {
        let Config { mut log, outbox, request_log, silence, limits, .. } = under;
        log.format = self.log_format.unwrap_or(log.format);
        log.level = self.log_level.or_else(|| environment("RUST_LOG")).unwrap_or(log.level);
        let trusted_proxies =
            if self.trusted_proxies.is_empty() { under.trusted_proxies } else { self.trusted_proxies };
        Config {
            data: data.unwrap_or(under.data),
            listen: self.listen.unwrap_or(under.listen),
            nats: self.nats.or(under.nats),
            public_url: self.public_url.or(under.public_url),
            tls_cert: self.tls_cert.or(under.tls_cert),
            tls_key: self.tls_key.or(under.tls_key),
            trusted_proxies,
            master_key_file: master_key_file.or(under.master_key_file),
            log,
            outbox,
            request_log,
            silence,
            limits,
        }
    }
}

/// The operator's or auditor's token for `--url`. It has no flag, since flags show in the list of processes.
pub fn token() -> Option<String> {
    environment("MUSTER_TOKEN")
}

/// A variable that clap does not read for us; an empty one counts as absent.
#[expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    fn resolve(flags: Flags) -> Result<Config, String> {
        flags.resolve(Some("data".into()), None).map_err(|error| error.to_string())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_win_over_the_file_and_leave_the_rest_of_it() {
        let file = file("listen = '127.0.0.1:1'\nnats = 'nats://a:4222'\n[log]\nlevel = 'warn'");
        let flags = Flags {
            config: Some(file.path().to_owned()),
            listen: Some("127.0.0.1:2".parse().unwrap()),
            log_level: Some("error".into()),
            ..Flags::default()
        };
        let config = resolve(flags).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.nats.as_deref(), Some("nats://a:4222"));
        assert_eq!(config.log.level, "error");
        assert_eq!(config.log.format, LogFormat::Json);
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn no_data_folder_is_an_error() {
        let error = Flags::default().resolve(None, None).expect_err("there is no data folder");
        assert!(matches!(error, ConfigError::NoData));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let flags = Flags { tls_cert: Some("c.pem".into()), ..Flags::default() };
        assert_eq!(resolve(flags).unwrap_err(), "`tls_cert` is given without `tls_key`");
        let file = file("tls_key = 'k.pem'");
        let flags =
            Flags { config: Some(file.path().into()), tls_cert: Some("c.pem".into()), ..Flags::default() };
        let config = resolve(flags).unwrap();
        assert_eq!(config.tls(), Some(("c.pem".as_ref(), "k.pem".as_ref())));
    }

    #[test]
    fn limits_are_checked_together() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let file = file(text);
            let error = resolve(Flags { config: Some(file.path().into()), ..Flags::default() });
            assert_eq!(error.unwrap_err(), expected);
        }
        check("limits.user_body_bytes_max = 0", "`limits.user_body_bytes_max`: must be at least 1");
        check(
            "limits.page_events_default = 20000",
            "`limits.page_events_default`: must not be above the maximum, which is 10000",
        );
    }

    #[test]
    fn a_nats_address_that_cannot_be_one_is_refused() {
        let flags = Flags { nats: Some("nats://ok:4222,ftp://x".into()), ..Flags::default() };
        let error = resolve(flags).unwrap_err();
        assert!(error.starts_with("`nats`: "), "{error}");
    }
}
