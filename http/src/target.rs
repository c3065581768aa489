//! The URL of a request.

use axum::http::header::HOST;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{Method, Uri, request};
use url::Url;

/// The reason why a request has no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no header `Host`.
    #[error("the request has no header Host; send the name of the server in it")]
    NoHost,
    /// There are several hosts.
    #[error("the request names more than one host; send one")]
    Hosts,
    /// The host is not a host.
    #[error("the host of the request is not a host name or address with an optional port; correct it")]
    Host,
    /// The target is not a path.
    #[error("the target of the request is not a path or an http or https URL; correct it")]
    Target,
    /// The method asks for a tunnel or an echo.
    #[error("the methods CONNECT and TRACE are not served; use another one")]
    Method,
}

/// Returns the URL of an absolute URI, serialised as the URL standard does it. It has no dot segments, a host in lower
/// case, and no port that is the scheme's.
///
/// # Errors
/// The URI is not an absolute `http` or `https` URL with a host, or has a user name.
pub fn serialized(uri: &Uri) -> Result<Uri, TargetError> {
    let authority = uri.authority().ok_or(TargetError::Target)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || authority.as_str().contains('@') {
        return Err(TargetError::Target);
    }
    if is_serialized(uri.scheme_str(), authority.as_str(), uri.path_and_query()) {
        return Ok(uri.clone());
    }
    let url = Url::parse(&uri.to_string()).map_err(|_| TargetError::Host)?;
    Uri::try_from(url.as_str()).map_err(|_| TargetError::Target)
}

/// Returns true if the URL standard would not change such a URL. It is false for some that it would not change either.
fn is_serialized(scheme: Option<&str>, authority: &str, rest: Option<&PathAndQuery>) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    // Hosts whose last label is a number, such as 0x1f, are addresses, which have several spellings.
    let is_name = host
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.')
        && host
            .rsplit('.')
            .next()
            .is_some_and(|label| label.starts_with(|first: char| first.is_ascii_lowercase()))
        && !host.contains("xn--");
    let is_usual = host == "127.0.0.1";
    let default = if scheme == Some("http") { "80" } else { "443" };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && !port.starts_with('0')
        && port != default
        && port.len() < 5
        && (!port.is_empty() || !authority.contains(':'));
    let rest = rest.map_or("/", PathAndQuery::as_str);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_~?=&.,:;+@!*()".contains(&byte);
    (is_name || is_usual)
        && is_port
        && rest.starts_with('/')
        && rest.bytes().all(is_plain)
        && !rest.contains("/.")
}

/// Gives a request its URL. `scheme` is that of the connection.
pub(crate) fn complete(parts: &mut request::Parts, scheme: &Scheme) -> Result<(), TargetError> {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(TargetError::Method);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| Authority::try_from(host.as_bytes()));
    if hosts.next().is_some() {
        return Err(TargetError::Hosts);
    }
    let host = host.transpose().map_err(|_| TargetError::Host)?;
    let authority = match (parts.uri.authority(), host) {
        // An absolute target and HTTP/2 name the host again. Another server could believe the other one.
        (Some(named), Some(host)) if *named != host => return Err(TargetError::Hosts),
        (Some(_), _) if parts.uri.scheme().is_none() => return Err(TargetError::Target),
        (Some(named), _) => named.clone(),
        (None, Some(host)) => host,
        (None, None) => return Err(TargetError::NoHost),
    };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(TargetError::Host);
    }
    let rest = parts.uri.path_and_query().cloned();
    let rest = rest.unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !rest.as_str().starts_with(['/', '?']) {
        return Err(TargetError::Target);
    }
    // The connection decides the scheme. A client could claim another one.
    let uri = Uri::builder()
        .scheme(scheme.clone())
        .authority(authority)
        .path_and_query(rest)
        .build();
    parts.uri = serialized(&uri.map_err(|_| TargetError::Target)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn completed(target: &str, hosts: &[&str]) -> Result<String, TargetError> {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        complete(&mut parts, &Scheme::HTTP)?;
        Ok(parts.uri.to_string())
    }

    /// SERVE-21.
    #[test]
    fn requests_get_the_url_of_the_url_standard() {
        for (target, host, expected) in [
            ("/", "example.com", "http://example.com/"),
            ("/a?b=c", "example.com:8080", "http://example.com:8080/a?b=c"),
            ("/a/../../b/./c", "example.com", "http://example.com/b/c"),
            ("/a/%2e%2e/b", "example.com", "http://example.com/b"),
            ("/", "EXAMPLE.com:80", "http://example.com/"),
            ("/", "0x7f.1", "http://127.0.0.1/"),
            ("/", "[::1]:9", "http://[::1]:9/"),
            ("/a b".replace(' ', "%20").as_str(), "h", "http://h/a%20b"),
            ("/a?b#", "h", "http://h/a?b"),
            ("http://h/x", "h", "http://h/x"),
            ("https://h/x", "h", "http://h/x"),
        ] {
            assert_eq!(
                completed(target, &[host]).as_deref(),
                Ok(expected),
                "{target} {host}"
            );
        }
    }

    /// SERVE-21.
    #[test]
    fn requests_without_one_host_are_refused() {
        for (target, hosts, expected) in [
            ("/", &[][..], TargetError::NoHost),
            ("/", &["a", "a"], TargetError::Hosts),
            ("http://a/", &["b"], TargetError::Hosts),
            ("/", &["a@b"], TargetError::Host),
            ("/", &["a b"], TargetError::Host),
            ("/", &[""], TargetError::Host),
            ("/", &["a/b"], TargetError::Host),
            ("/", &["999.1.1.1.1"], TargetError::Host),
            ("*", &["a"], TargetError::Target),
            ("a:80", &["a:80"], TargetError::Target),
        ] {
            assert_eq!(completed(target, hosts), Err(expected), "{target} {hosts:?}");
        }
    }

    /// SERVE-21: for any host and target, the URL is what the URL standard makes of it, and is made only once.
    mod properties {
        use proptest::prelude::*;
        use url::Url;

        use super::*;

        fn host() -> impl Strategy<Value = String> {
            let piece = prop_oneof![
                "[a-z0-9.-]{0,6}",
                "[0-9a-fx.]{1,8}",
                Just("xn--".to_owned()),
                Just("127.0.0.1".to_owned()),
                Just("[::1]".to_owned()),
                "[A-Z_~%@!$&'()*+,;=:]{1,2}",
            ];
            let port = prop_oneof![
                Just(String::new()),
                ":[0-9]{0,6}",
                Just(":80".to_owned()),
                Just(":443".to_owned())
            ];
            (prop::collection::vec(piece, 1..4), port).prop_map(|(pieces, port)| pieces.concat() + &port)
        }

        fn target() -> impl Strategy<Value = String> {
            let piece = prop_oneof![
                "[/.]{1,3}",
                "[?#]",
                "%2[eEfF]",
                "%[0-9a-f]{0,2}",
                "[a-z0-9~_=&,:;+@!*()-]{1,5}",
                "[\\x21-\\x7e]{1,2}",
            ];
            prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("/{}", pieces.concat()))
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(4000))]

            #[test]
            fn urls_are_those_of_the_url_standard(host in host(), target in target(), secure: bool) {
                let scheme = if secure { Scheme::HTTPS } else { Scheme::HTTP };
                let Ok(request) = Request::builder().uri(&target).header(HOST, &host).body(()) else {
                    return Ok(());
                };
                let mut parts = request.into_parts().0;
                // The parser of HTTP drops a fragment.
                let kept = target.split('#').next().unwrap();
                let Ok(()) = complete(&mut parts, &scheme) else {
                    // Nothing that both accept is refused, except for user names and characters that are not of a URI.
                    return Ok(());
                };
                let url = Url::parse(&format!("{scheme}://{host}{kept}"));
                prop_assert_eq!(Ok(parts.uri.to_string()), url.map(String::from), "{} {}", host, target);
                prop_assert_eq!(serialized(&parts.uri), Ok(parts.uri.clone()));
            }

            /// The shortcut for URLs that are serialised already agrees with the URL standard.
            #[test]
            fn the_shortcut_changes_nothing_for_any_url(host in host(), target in target(), secure: bool) {
                let scheme = if secure { "https" } else { "http" };
                let Ok(uri) = Uri::try_from(format!("{scheme}://{host}{target}")) else { return Ok(()) };
                let Some(authority) = uri.authority() else { return Ok(()) };
                if is_serialized(Some(scheme), authority.as_str(), uri.path_and_query()) {
                    let url = Url::parse(&uri.to_string()).map(String::from);
                    prop_assert_eq!(url, Ok(uri.to_string()));
                }
            }
        }

        /// The control: the properties are not about refusals only.
        #[test]
        fn most_examples_are_accepted() {
            use proptest::strategy::ValueTree;
            use proptest::test_runner::TestRunner;
            let mut runner = TestRunner::deterministic();
            let (mut accepted, mut short) = (0, 0);
            for _ in 0..1000 {
                let (host, target) = (host(), target()).new_tree(&mut runner).unwrap().current();
                let Ok(request) = Request::builder().uri(&target).header(HOST, &host).body(()) else {
                    continue;
                };
                let mut parts = request.into_parts().0;
                accepted += usize::from(complete(&mut parts, &Scheme::HTTP).is_ok());
                short += usize::from(is_serialized(Some("http"), &host, parts.uri.path_and_query()));
            }
            assert!(accepted > 150 && short > 30, "{accepted} {short}");
        }
    }

    /// The shortcut for URLs that are serialised already agrees with the URL standard.
    #[test]
    fn the_shortcut_changes_nothing() {
        let hosts = [
            "a",
            "a.b",
            "a:80",
            "a:443",
            "a:81",
            "a:08",
            "1",
            "1.2",
            "127.0.0.1",
            "0x1f",
            "a.1",
            "xn--a",
            "a:",
            "a.",
            "a:65536",
        ];
        let rests = [
            "/", "/a", "/.", "/..a", "/a/.b", "/a/../b", "//", "/a?..", "/a?'", "/a|b", "/a^", "/a\"",
            "/a?/../b", "/;:@", "/+!*()",
        ];
        let mut count = 0;
        for scheme in ["http", "https"] {
            for (host, rest) in hosts.iter().flat_map(|host| rests.map(|rest| (host, rest))) {
                let Ok(uri) = Uri::try_from(format!("{scheme}://{host}{rest}")) else {
                    continue;
                };
                if is_serialized(Some(scheme), host, uri.path_and_query()) {
                    assert_eq!(Url::parse(&uri.to_string()).unwrap().as_str(), uri.to_string());
                    count += 1;
                }
            }
        }
        assert!(count > 20, "{count}");
    }
}
