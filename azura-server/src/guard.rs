//! Who may talk to the server: nobody but the programs and pages of this machine, and of the origins that were allowed.
//!
//! A server on the loopback is within reach of every page in the user's browser. Two checks keep foreign pages out, before anything
//! else looks at a request: its `Host` must be a name of this server, so that no foreign name can be made to point here; and its `Origin`, where
//! a browser sends one, must be this very server.

use std::{net::SocketAddr, str::FromStr};

use poem::{
    Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{HOST, ORIGIN, SEC_WEBSOCKET_KEY, UPGRADE},
        uri::Authority,
    },
};

use crate::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Under which names a server may be reached.
///
/// The default is the loopback at the port that it listens on: `127.0.0.1`, `localhost` and `[::1]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    origins: Vec<Origin>,
}

/// Scheme, host and port, as browsers write them: `https://lab.example:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    text: String,
    host: String,
}

/// A text that was to be an [`Origin`] is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin: expected a scheme, a host and perhaps a port, as in \"https://lab.example:8443\""
)]
pub struct ParseOriginError(String);

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.to_ascii_lowercase();
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match host.and_then(|host| host.parse::<Authority>().ok()) {
            Some(host) if !host.as_str().contains('@') => Ok(Self { host: host.to_string(), text }),
            _ => Err(ParseOriginError(text)),
        }
    }
}

impl Access {
    /// Access through the loopback only.
    pub fn loopback() -> Self {
        Self::default()
    }

    /// Also lets in pages of this origin, and requests for its host: for a proxy before the server.
    #[must_use]
    pub fn allow(mut self, origin: Origin) -> Self {
        self.origins.push(origin);
        self
    }

    /// Refuses a request that is not for this server, or comes from a page of another.
    pub(crate) fn check(&self, request: &Request) -> Result<(), ApiError> {
        let local = request.local_addr().as_socket_addr().copied();
        let host = self.check_host(local, request.uri(), request.headers())?;
        self.check_origin(local, &host, request.method(), request.headers())
    }

    /// The one name that the request is for.
    fn check_host(
        &self,
        local: Option<SocketAddr>,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<String, ApiError> {
        let refuse = |message: String| {
            Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "HOST_NOT_ALLOWED", message))
        };
        let named: Vec<String> = headers
            .get_all(HOST)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
            .chain(uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()))
            .collect();
        let Some(host) = named.first().cloned() else {
            return refuse("The request does not say which host it is for.".into());
        };
        if headers.get_all(HOST).iter().count() > 1 || named.iter().any(|other| *other != host) {
            return refuse("The request names more than one host.".into());
        }
        if is_own(&host, local) || self.origins.iter().any(|origin| origin.host == host) {
            return Ok(host);
        }
        let at = local.map_or_else(String::new, |local| format!(":{}", local.port()));
        let host = shorten(&host);
        refuse(format!(
            "This server answers for 127.0.0.1{at}, localhost{at} and [::1]{at}, not for {host:?}."
        ))
    }

    /// Browsers say where a page comes from that sends something; other programs do not and pass.
    fn check_origin(
        &self,
        local: Option<SocketAddr>,
        host: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let refuse =
            |message: String| Err(ApiError::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", message));
        let mut own_page = true;
        for origin in headers.get_all(ORIGIN) {
            let origin = String::from_utf8_lossy(origin.as_bytes()).to_ascii_lowercase();
            let allowed = self.origins.iter().any(|allowed| allowed.text == origin);
            own_page &= !allowed;
            let same = is_own(host, local) && origin.strip_prefix("http://") == Some(host);
            if !allowed && !same {
                let origin = shorten(&origin);
                return refuse(format!(
                    "Pages of {origin:?} may not use this server. If that is a proxy before it, `--allow-origin` lets it."
                ));
            }
        }
        let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        let foreign = site.is_some_and(|site| site != b"same-origin" && site != b"none");
        if own_page && foreign && (!method.is_safe() || is_websocket(headers)) {
            return refuse("Pages of other sites may not use this server.".into());
        }
        Ok(())
    }
}

/// Whether a name can only mean the server itself.
fn is_own(host: &str, local: Option<SocketAddr>) -> bool {
    local.is_some_and(|local| is_loopback(host, local.port()) || host == local.to_string())
}

fn is_loopback(host: &str, port: u16) -> bool {
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| match host.strip_prefix(name) {
        Some("") => port == 80,
        Some(rest) => rest.strip_prefix(':').is_some_and(|text| text == port.to_string()),
        None => false,
    })
}

fn is_websocket(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) || headers.contains_key(SEC_WEBSOCKET_KEY)
}

/// Enough of a text from outside to recognise it.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_names_of_the_loopback_are_hosts() {
        let access = Access::loopback().allow("https://Lab.example".parse().unwrap());
        let host = |host: &str| {
            access.check_host(Some(at(8000)), &Uri::from_static("/"), &headers(&[("host", host)])).is_ok()
        };
        for own in ["127.0.0.1:8000", "localhost:8000", "LocalHost:8000", "[::1]:8000", "lab.example"] {
            assert!(host(own), "{own}");
        }
        for foreign in [
            "evil.test",
            "evil.test:8000",
            "127.0.0.1.nip.io:8000",
            "localhost.evil:8000",
            "localhost.:8000",
            "127.0.0.1.:8000",
            "localhost",
            "127.0.0.1",
            "localhost:8001",
            "localhost:80000",
            "localhost:08000",
            "localhost:8000:8000",
            "localhost:",
            "[::1]",
            "[::1]:8001",
            "[::2]:8000",
            "::1:8000",
            "[::ffff:127.0.0.1]:8000",
            "0.0.0.0:8000",
            "127.1:8000",
            "127.0.0.2:8000",
            "2130706433:8000",
            "",
            " ",
            "user@localhost:8000",
            "localhost:8000/",
            "lab.example:443",
            "xlocalhost:8000",
            "localhost:8000, evil.test",
        ] {
            assert!(!host(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_address_that_is_listened_on_is_a_host() {
        let local = Some("127.0.0.2:8000".parse().unwrap());
        let host = |host| {
            Access::loopback().check_host(local, &Uri::from_static("/"), &headers(&[("host", host)])).is_ok()
        };
        assert!(host("127.0.0.2:8000") && host("localhost:8000") && !host("127.0.0.3:8000"));
    }

    #[test]
    fn the_standard_port_may_be_left_out() {
        let host = |host| {
            Access::loopback()
                .check_host(Some(at(80)), &Uri::from_static("/"), &headers(&[("host", host)]))
                .is_ok()
        };
        assert!(host("localhost") && host("localhost:80") && host("[::1]") && !host("localhost:8000"));
    }

    #[test]
    fn a_request_names_one_host() {
        let check = |uri: &str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            Access::loopback().check_host(Some(at(8000)), &uri.parse().unwrap(), &headers).is_ok()
        };
        let own = "localhost:8000";
        assert!(check("/", &[own]));
        assert!(check("http://localhost:8000/", &[]));
        assert!(check("http://localhost:8000/", &[own]));
        assert!(!check("/", &[]));
        assert!(!check("/", &[own, own]));
        assert!(!check("/", &[own, "evil.test"]));
        assert!(!check("http://evil.test/", &[own]));
        assert!(!check("http://localhost:8000/", &["evil.test"]));
        assert!(!check("http://localhost:8000/", &["127.0.0.1:8000"]));
    }

    #[test]
    fn only_its_own_pages_and_other_programs_may_act() {
        let access = Access::loopback().allow("http://dev.test:5173".parse().unwrap());
        let check = |method: Method, pairs: &[(&str, &str)]| {
            access.check_origin(Some(at(8000)), "localhost:8000", &method, &headers(pairs)).is_ok()
        };
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert!(check(method.clone(), &[]));
            assert!(check(
                method.clone(),
                &[("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")]
            ));
            assert!(check(
                method.clone(),
                &[("origin", "http://dev.test:5173"), ("sec-fetch-site", "cross-site")]
            ));
            assert!(check(method.clone(), &[("sec-fetch-site", "none")]));
            for origin in [
                "http://evil.test",
                "null",
                "",
                "https://localhost:8000",
                "http://localhost",
                "http://localhost:8001",
                "http://127.0.0.1:8000",
                "http://localhost:8000.evil.test",
                "file://",
                "http://dev.test",
                "http://localhost:8000/",
            ] {
                assert!(!check(method.clone(), &[("origin", origin)]), "{method} {origin}");
            }
        }
        let lab = Access::loopback().allow("https://lab.example".parse().unwrap());
        let from = |origin| {
            lab.check_origin(Some(at(8000)), "lab.example", &Method::POST, &headers(&[("origin", origin)]))
                .is_ok()
        };
        assert!(from("https://lab.example") && !from("http://lab.example"));
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN"] {
            let site = ("sec-fetch-site", site);
            assert!(!check(Method::POST, &[site]));
            assert!(!check(Method::POST, &[site, ("origin", "http://localhost:8000")]));
            assert!(!check(Method::GET, &[site, ("upgrade", "websocket")]));
            assert!(check(Method::GET, &[site]), "a link from elsewhere may lead here");
        }
    }

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        for good in ["http://dev.test:5173", "https://lab.example", "http://[::1]:3000"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "lab.example",
            "ftp://lab.example",
            "http://",
            "http://a/b",
            "http://a b",
            "http://user@a",
        ] {
            assert!(bad.parse::<Origin>().unwrap_err().to_string().contains("scheme"), "{bad}");
        }
    }
}
