//! TLS: whom to trust, and why a handshake fails.

use std::{error::Error as _, io, sync::Arc};

use ::redis::RedisError;
use rustls::{
    CertificateError, Error, RootCertStore,
    crypto::{CryptoProvider, ring},
};

use crate::{QueueError, Result};

/// What every TLS connection of this process needs: a provider of cryptography, and somebody to trust.
pub(super) fn prepare() -> Result<()> {
    if CryptoProvider::get_default().is_none() {
        // Whoever was faster has chosen, and that is as good.
        let _ = ring::default_provider().install_default();
    }
    let wrong = |what: String| {
        let whose = "those of the system, or those that SSL_CERT_FILE and SSL_CERT_DIR name";
        QueueError::Storage(format!("the certificates that are to be trusted ({whose}) {what}"))
    };
    let found = rustls_native_certs::load_native_certs();
    if let Some(error) = found.errors.first() {
        return Err(wrong(format!("cannot be read: {error}")));
    }
    let mut roots = RootCertStore::empty();
    for certificate in found.certs {
        roots.add(certificate).map_err(|error| wrong(format!("cannot be used: {error}")))?;
    }
    if roots.is_empty() { Err(wrong("are none".to_owned())) } else { Ok(()) }
}

/// What was wrong with a handshake, if it will be wrong the next time too.
pub(super) fn refusal(error: &RedisError) -> Option<String> {
    let error = tls_error(error)?;
    let advice = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "if it comes from an authority of your own, name the file of that authority's certificate with SSL_CERT_FILE"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the address must have a name that the certificate is for, or the server another certificate",
        Error::InvalidCertificate(_) => "the server needs another certificate",
        Error::AlertReceived(_) => {
            "the server refused the connection; if it wants a certificate of its clients, it must be told not to \
             (redis-server: tls-auth-clients no)"
        }
        Error::InvalidMessage(_) => "the server does not speak TLS at this port",
        Error::PeerIncompatible(_) => "the server must speak TLS 1.2 or 1.3",
        _ => return None,
    };
    Some(format!("{error}; {advice}"))
}

fn tls_error(error: &RedisError) -> Option<&Error> {
    let shared: &Arc<dyn std::error::Error + Send + Sync> = error.source()?.downcast_ref()?;
    shared.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}
