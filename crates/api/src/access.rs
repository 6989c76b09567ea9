//! Which requests are meant for this node: the ones that name it by an address or a name it goes by, and that no page of
//! another site sends.
//!
//! A browser sends what any page asks it to, also to this machine. What protects a node on a loopback address is that a page
//! must name it: the page's own name, made to lead here, is not among the node's (`Host`), and a page under another name says
//! so (`Origin`).

use crate::peer::LocalEnd;
use crate::problem::{Code, Problem};
use crate::state::App;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// The names that a node goes by, besides addresses and `localhost`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<[String]>);

impl Names {
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| plain(name)).collect())
    }

    /// Whether a host is this node: an address, which no page can take for a name of its own, this machine, or a name that was
    /// given.
    fn contain(&self, host: &str) -> bool {
        let name = plain(host);
        address(host).is_some() || is_localhost(&name) || self.0.contains(&name)
    }

    /// Whether a host is this node and no other, for a request that came to `local`: that address, this machine if it came to
    /// a loopback address, or a name that was given. Every node would go by any address and by `localhost`.
    pub fn are_of(&self, host: &str, LocalEnd(local): LocalEnd) -> bool {
        let Ok(host) = host.parse::<Authority>() else { return false };
        let name = plain(host.host());
        let here = match address(host.host()) {
            Some(address) => address == local || (address.is_loopback() && local.is_loopback()),
            None => is_localhost(&name) && local.is_loopback(),
        };
        here || self.0.contains(&name)
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        for name in [header::HOST, header::ORIGIN] {
            if headers.get_all(&name).iter().nth(1).is_some() {
                return Err(Problem::new(Code::UnknownHost, format!("the request has more than one header {name:?}")));
            }
        }
        let Some(host) = named(uri, headers) else {
            return Err(Problem::new(Code::UnknownHost, "the request names no host"));
        };
        if !self.contain(host.host()) {
            let detail = format!(
                "this node does not go by the name {:?}; if it should, its operator starts it with --allow-host {}",
                host.host(),
                host.host()
            );
            return Err(Problem::new(Code::UnknownHost, detail));
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let same = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()).is_some_and(|origin| {
            let port = if origin.scheme_str() == Some("https") { 443 } else { 80 };
            let of =
                |authority: &Authority| (authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(port));
            origin.authority().is_some_and(|origin| of(origin) == of(&host))
        });
        if !same {
            let detail = format!("a page of {} may not use this node", String::from_utf8_lossy(origin.as_bytes()));
            return Err(Problem::new(Code::ForeignOrigin, detail));
        }
        Ok(())
    }
}

/// The host that a request names.
fn named(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    uri.authority().cloned().or_else(|| Authority::try_from(headers.get(header::HOST)?.as_bytes()).ok())
}

/// What a request calls this node, where it is a name of this node and of no other: whoever hands on what was signed for another
/// node also says which host it is for.
#[derive(Debug)]
pub(crate) struct CalledAs(String);

impl CalledAs {
    /// Refuses what was signed for a node of another name.
    pub fn check(&self, node: &str) -> Result<(), Problem> {
        if node.eq_ignore_ascii_case(&self.0) {
            return Ok(());
        }
        Err(Problem::new(Code::BadSignIn, format!("it was signed for the node {node:?}, and sent to {:?}", self.0)))
    }

    #[cfg(test)]
    pub fn of(host: &str) -> Self {
        Self(host.into())
    }
}

impl FromRequestParts<App> for CalledAs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(local) = LocalEnd::from_request_parts(parts, app).await;
        let host = named(&parts.uri, &parts.headers).map(|host| host.to_string()).unwrap_or_default();
        if !app.names.are_of(&host, local) {
            let detail =
                format!("{host:?} is no address that the request came to, and no name given with --allow-host");
            return Err(Problem::new(Code::BadSignIn, detail));
        }
        Ok(Self(host))
    }
}

/// A name as it is compared.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn address(host: &str) -> Option<IpAddr> {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(address.parse::<IpAddr>().ok()?.to_canonical())
}

/// Answers only what is meant for this node.
pub(crate) async fn only_for_this_node(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.names.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Result<(), String> {
        let names = Names::new(&["energy.example".into()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        names.check(&Uri::from_static("/v1/status"), &headers).map_err(|problem| problem.0.code.into_owned())
    }

    #[test]
    fn a_node_answers_to_addresses_to_localhost_and_to_the_names_it_was_given() {
        for host in [
            "127.0.0.1:4680",
            "[::1]:4680",
            "localhost",
            "LOCALHOST:80",
            "app.localhost",
            "energy.example:443",
            "10.0.0.7",
        ] {
            assert_eq!(check(host, None), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b"] {
            assert_eq!(check(host, None), Err("request/unknown-host".into()), "{host:?}");
        }
        let none = Names::default().check(&Uri::from_static("/"), &HeaderMap::new()).unwrap_err();
        assert_eq!(none.0.code, "request/unknown-host");
    }

    #[test]
    fn a_node_signs_in_under_its_own_addresses_and_the_names_it_was_given_only() {
        let names = Names::new(&["energy.example".into(), "203.0.113.9".into()]);
        let are_of = |host: &str, local: &str| names.are_of(host, LocalEnd::of(local.parse().unwrap()));
        for (host, local) in [
            ("10.0.0.7:4680", "10.0.0.7"),
            ("10.0.0.7", "::ffff:10.0.0.7"),
            ("[2001:db8::7]:4680", "2001:db8::7"),
            ("127.0.0.1:4680", "127.0.0.1"),
            ("app.localhost:4680", "::1"),
            ("LOCALHOST", "127.0.0.1"),
            ("Energy.example:443", "10.0.0.7"),
            ("203.0.113.9:4680", "10.0.0.7"),
        ] {
            assert!(are_of(host, local), "{host} at {local}");
        }
        for (host, local) in [
            ("203.0.113.5:4680", "127.0.0.1"),
            ("203.0.113.5", "10.0.0.7"),
            ("[2001:db8::8]:4680", "2001:db8::7"),
            ("127.0.0.1:4680", "10.0.0.7"),
            ("localhost:4680", "10.0.0.7"),
            ("evil.example", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert!(!are_of(host, local), "{host:?} at {local}");
        }
    }

    #[test]
    fn who_names_two_hosts_or_two_origins_is_told_so() {
        for name in [header::HOST, header::ORIGIN] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost".parse().unwrap());
            headers.insert(header::ORIGIN, "http://localhost".parse().unwrap());
            headers.append(name, "http://evil.example".parse().unwrap());
            let refused = Names::default().check(&Uri::from_static("/"), &headers).unwrap_err();
            assert_eq!(refused.0.code, "request/unknown-host");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_told_so() {
        let local = "127.0.0.1:4680";
        assert_eq!(check(local, Some("http://127.0.0.1:4680")), Ok(()));
        assert_eq!(check("energy.example", Some("https://energy.example")), Ok(()), "behind a gateway that ends TLS");
        for origin in ["http://evil.example", "http://127.0.0.1:8080", "https://127.0.0.1", "null"] {
            assert_eq!(check(local, Some(origin)), Err("request/foreign-origin".into()), "{origin}");
        }
    }
}
