//! What trusted proxies say of a request: `Forwarded` (RFC 7239), else `X-Forwarded-For`, `-Host` and `-Proto`.
//!
//! Each proxy adds on the right whom it saw. So the client is the first from the right who is no trusted proxy;
//! what stands left of it the client may have made up, and an address ends up as evidence in the log. Whether
//! the sender of the headers may be believed at all is the caller's question.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;

/// How the request reached the outermost of the trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// Who sent it.
    pub(super) client: Option<IpAddr>,
    /// The host that it named, with its port.
    pub(super) host: Option<String>,
    /// `http` or `https`.
    pub(super) scheme: Option<&'static str>,
}

impl Forwarded {
    /// Reads the headers; `is_proxy` knows the trusted proxies by their addresses.
    pub(super) fn read(headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Self {
        let hops: Vec<Self> = values(headers, "forwarded").map(Self::element).collect();
        if !hops.is_empty() {
            return nearest(hops, is_proxy);
        }
        let addresses = values(headers, "x-forwarded-for");
        let hops = addresses.map(|node| Self { client: address(node), ..Self::default() }).collect();
        let scheme = values(headers, "x-forwarded-proto").next().and_then(scheme);
        let host = values(headers, "x-forwarded-host").next().map(str::to_owned);
        Self { host, scheme, ..nearest(hops, is_proxy) }
    }

    /// One proxy's part of `Forwarded`. Its values need no escapes, so none are undone.
    fn element(text: &str) -> Self {
        let mut hop = Self::default();
        for (name, value) in text.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop.client = address(value),
                "host" => hop.host = Some(value.to_owned()),
                "proto" => hop.scheme = scheme(value),
                _ => {}
            }
        }
        hop
    }
}

/// The first hop from the right that is no proxy's own; the leftmost if all are.
fn nearest(hops: Vec<Forwarded>, is_proxy: impl Fn(IpAddr) -> bool) -> Forwarded {
    let mut outermost = Forwarded::default();
    for hop in hops.into_iter().rev() {
        let passes_on = hop.client.is_some_and(&is_proxy);
        outermost = hop;
        if !passes_on {
            break;
        }
    }
    outermost
}

/// The elements of a list, over all headers of that name.
fn values<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    let texts = headers.get_all(name).filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty())
}

/// An address, with or without a port; `unknown` and made-up names are none.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| Some(node.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|known| known.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], client: Option<&str>, host: Option<&str>, scheme: Option<&str>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let read = Forwarded::read(&map, |address| address.to_string().starts_with("10."));
        let client_read = read.client.map(|address| address.to_string());
        assert_eq!(
            (client_read.as_deref(), read.host.as_deref(), read.scheme),
            (client, host, scheme),
            "{headers:?}"
        );
    }

    #[test]
    fn the_client_is_the_first_from_the_right_who_is_no_proxy() {
        check(&[("x-forwarded-for", "203.0.113.9")], Some("203.0.113.9"), None, None);
        check(&[("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.1")], Some("203.0.113.9"), None, None);
        check(
            &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "10.0.0.1")],
            Some("1.1.1.1"),
            None,
            None,
        );
        check(&[("x-forwarded-for", "10.0.0.2, 10.0.0.1")], Some("10.0.0.2"), None, None);
        check(&[("x-forwarded-for", "1.1.1.1, unknown, 10.0.0.1")], None, None, None);
        check(&[("x-forwarded-for", " , ")], None, None, None);
    }

    #[test]
    fn addresses_come_with_and_without_ports_and_brackets() {
        for (node, client) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            check(&[("x-forwarded-for", node)], Some(client), None, None);
            check(&[("forwarded", &format!("for=\"{node}\""))], Some(client), None, None);
        }
    }

    #[test]
    fn host_and_scheme_are_those_of_the_clients_hop() {
        let proto = ("x-forwarded-proto", "HTTPS, http");
        check(
            &[("x-forwarded-host", "a.test:8443, b.test"), proto],
            None,
            Some("a.test:8443"),
            Some("https"),
        );
        check(&[("x-forwarded-proto", "gopher")], None, None, None);
        let chain =
            "for=1.1.1.1;host=forged.test, For=203.0.113.9; Host=\"a.test\";proto=https;by=x, for=10.0.0.1";
        check(&[("forwarded", chain)], Some("203.0.113.9"), Some("a.test"), Some("https"));
        let both = [("forwarded", "for=203.0.113.9"), ("x-forwarded-host", "other.test")];
        check(&both, Some("203.0.113.9"), None, None);
    }
}
