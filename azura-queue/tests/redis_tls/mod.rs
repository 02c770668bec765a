//! A redis-server of a test's own that speaks TLS, and the authority that vouches for it.

use std::{fs, net::TcpListener, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use super::redis_server::RedisServer;

/// Listens at a port of this machine and, in plain, on a socket in a folder of its own.
pub(crate) struct TlsServer {
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) redis: RedisServer,
    port: u16,
    folder: TempDir,
}

impl TlsServer {
    /// With a certificate for `localhost` and 127.0.0.1, and without a wish for certificates of clients.
    pub(crate) fn start() -> Self {
        Self::start_with(2100, &["--tls-auth-clients", "no"])
    }

    /// With a certificate that is good until the start of `year`, and more on its command line.
    pub(crate) fn start_with(year: i32, more: &[&str]) -> Self {
        Self::start_for(&["localhost", "127.0.0.1"], year, more)
    }

    /// With a certificate for these names.
    pub(crate) fn start_for(names: &[&str], year: i32, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new([]).unwrap();
        // Named as its server is: authorities of servers of one name differ in their keys only.
        authority.distinguished_name.push(DnType::CommonName, format!("the authority of {}", names[0]));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut server =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        server.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let server = server.signed_by(&key, &authority).unwrap();
        for (name, text) in
            [("authority", authority.pem()), ("server", server.pem()), ("key", key.serialize_pem())]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        for _ in 0..10 {
            let port = free_port();
            let file = |name: &str| folder.path().join(name).display().to_string();
            let mut args = vec!["--bind".into(), "127.0.0.1".into(), "--tls-port".into(), port.to_string()];
            for (option, name) in
                [("cert-file", "server"), ("key-file", "key"), ("ca-cert-file", "authority")]
            {
                args.extend([format!("--tls-{option}"), file(name)]);
            }
            args.extend(more.iter().map(|word| (*word).to_owned()));
            if let Some(redis) = RedisServer::start_with(&args) {
                return Self { redis, port, folder };
            }
        }
        panic!("redis-server does not come up with TLS");
    }

    /// Where it listens, for this user of this host name.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}/0", self.port)
    }

    /// The certificate of its authority, a file.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority")
    }
}

/// A port that nobody has, for now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
