//! What a registry asks for with a 401 (RFC 9110, section 11), read as leniently as Docker, curl
//! and containerd do together: registries and the proxies in front of them leave out quotes and
//! commas, and put spaces where none belong.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// The most bytes of all such headers that are read.
const MAX_HEADERS: usize = 16 << 10;

/// One scheme that a registry accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The first challenge that can be answered, a token before a password.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        let all = read(&text(headers));
        let known: Vec<Self> = all.iter().filter_map(Self::of).collect();
        let bearer = known.iter().position(|challenge| *challenge != Self::Basic);
        known.into_iter().nth(bearer.unwrap_or(0))
    }

    fn of(read: &AuthScheme) -> Option<Self> {
        match read.scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => Some(Self::Bearer {
                realm: read.get("realm")?,
                service: read.get("service"),
                scope: read.get("scope"),
            }),
            _ => None,
        }
    }
}

/// All of a registry's headers of this kind, as one.
pub(super) fn text(headers: &HeaderMap) -> String {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let bytes = values.map(|value| value.as_bytes()).collect::<Vec<_>>().join(&b", "[..]);
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_HEADERS)]).into_owned()
}

/// An authentication scheme with its parameters (RFC 9110, section 11.3).
struct AuthScheme {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl AuthScheme {
    /// The first value of a parameter that is not empty.
    fn get(&self, name: &str) -> Option<String> {
        let mut parameters = self.parameters.iter();
        let found =
            parameters.find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }
}

/// A word with `=` behind it is a parameter of the scheme before it; any other is a scheme.
fn read(text: &str) -> Vec<AuthScheme> {
    let mut all: Vec<AuthScheme> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c| !is_word(c));
        let (word, after) = split(rest, |c| !is_word(c));
        if word.is_empty() {
            return all;
        }
        rest = match after.trim_start().strip_prefix('=') {
            None => {
                all.push(AuthScheme { scheme: word.to_owned(), parameters: Vec::new() });
                after
            }
            Some(value) => {
                let (value, after) = self::value(value.trim_start(), word);
                if let Some(last) = all.last_mut() {
                    last.parameters.push((word.to_owned(), value));
                }
                after
            }
        };
    }
}

/// What a scheme or a parameter's name is made of (RFC 9110, section 5.6.2, "token").
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&*+-.^_|~".contains(c)
}

fn split(text: &str, at: impl FnMut(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

/// The value at the start of `text`, and what follows: in quotes of either kind, whose end may be
/// missing, or up to a comma or a space.
fn value<'t>(text: &'t str, name: &str) -> (String, &'t str) {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&text[1..], quote),
        _ => {
            let (mut value, mut rest) = split(text, |c| c == ',' || c.is_ascii_whitespace());
            // The actions of a scope have commas of their own: `repository:a:pull,push`.
            while name.eq_ignore_ascii_case("scope")
                && let Some(action) = rest.strip_prefix(',').and_then(action)
            {
                (value, rest) = text.split_at(value.len() + 1 + action.len());
            }
            (value.trim_end_matches(';').to_owned(), rest)
        }
    }
}

/// One more action at the start of `text`, behind which the next comma or the end is.
fn action(text: &str) -> Option<&str> {
    let (word, rest) = split(text, |c| !is_word(c));
    (!word.is_empty() && (rest.is_empty() || rest.starts_with(','))).then_some(word)
}

/// A string up to the quote, in which a backslash stands before what is meant as it is.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => value.extend(chars.next().map(|(_, c)| c)),
            c if c == quote => return (value, &text[at + c.len_utf8()..]),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    fn find(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Challenge::find(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let own = |text: &str| text.to_owned();
        Some(Challenge::Bearer {
            realm: own(realm),
            service: service.map(own),
            scope: scope.map(own),
        })
    }

    #[test]
    fn challenges_as_they_should_be() {
        let cases = [
            (
                r#"Bearer realm="https://a/t",service="s",scope="repository:a,b:pull,push""#,
                bearer("https://a/t", Some("s"), Some("repository:a,b:pull,push")),
            ),
            (r#"bearer realm=a , service="a\"b""#, bearer("a", Some("a\"b"), None)),
            (r#"Basic realm="x", Bearer realm="y",service="z""#, bearer("y", Some("z"), None)),
            (r#"Bearer realm="y",Basic realm="x""#, bearer("y", None, None)),
            (r#"Negotiate oRQwEqADCgEA==, Bearer realm="y""#, bearer("y", None, None)),
            (r#"Digest realm="x", nonce="Bearer realm=y", Basic realm=x"#, Some(Challenge::Basic)),
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Negotiate, Basic", Some(Challenge::Basic)),
            ("Bearer service=\"x\"", None),
            ("Bearer realm=\"\"", None),
            ("Bearer", None),
            ("Negotiate", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(find(&[text]), expected, "{text}");
        }
    }

    #[test]
    fn challenges_that_are_a_little_off() {
        let good = bearer("https://a/t?x=1", Some("s"), Some("repository:a:pull,push"));
        for text in [
            r#"Bearer realm=https://a/t?x=1,service=s,scope=repository:a:pull,push"#,
            r#"Bearer scope=repository:a:pull,push,realm=https://a/t?x=1,service=s"#,
            r#"Bearer realm='https://a/t?x=1',service='s',scope='repository:a:pull,push'"#,
            r#"BEARER Realm = "https://a/t?x=1" , SERVICE ="s" ,Scope= "repository:a:pull,push""#,
            r#"Bearer realm="https://a/t?x=1" service="s" scope="repository:a:pull,push""#,
            r#"Bearer realm="https://a/t?x=1"service="s"scope="repository:a:pull,push""#,
            r#"Bearer realm="https://a/t?x=1"; service="s"; scope="repository:a:pull,push";"#,
            r#"Bearer realm=https://a/t?x=1; service=s; scope="repository:a:pull,push""#,
            r#"Bearer realm="https:\/\/a/t?x=1",service="s",scope="repository:a:pull,push","#,
            r#",, Bearer ,realm="https://a/t?x=1",,service="s",scope="repository:a:pull,push" , ,"#,
            r#"Bearer: realm="https://a/t?x=1",service="s",scope="repository:a:pull,push"#,
            "Bearer\trealm=\"https://a/t?x=1\",\tservice=s,scope=\"repository:a:pull,push\"",
            r#"X y=z, Bearer error="", realm="", realm="https://a/t?x=1", service="s",
               scope="repository:a:pull,push""#,
        ] {
            assert_eq!(find(&[&text.replace('\n', " ")]), good, "{text}");
        }
        // A malformed scheme does not affect the others.
        assert_eq!(find(&[r#"Basic realm="x", ===="#]), Some(Challenge::Basic));
        assert_eq!(find(&["\u{e4}\u{201c}, =, Basic realm=\"\u{e4}\""]), Some(Challenge::Basic));
        assert_eq!(find(&["Bearer realm=\"open"]), bearer("open", None, None));
        assert_eq!(find(&["Bearer realm=\"end\\"]), bearer("end", None, None));
        assert_eq!(find(&["Bearer ====", "Bearer realm=\"x\""]), bearer("x", None, None));
    }

    #[test]
    fn several_headers_are_one_list() {
        let (basic, token) = ("Basic realm=\"x\"", "Bearer realm=\"https://a\"");
        assert_eq!(find(&[basic]), Some(Challenge::Basic));
        assert_eq!(find(&[basic, token]), bearer("https://a", None, None));
        assert_eq!(find(&["Negotiate", token, basic]), bearer("https://a", None, None));
        assert_eq!(find(&[]), None);
        // No more of them is read than any honest registry sends.
        let long = vec!["Negotiate"; 10_000];
        assert_eq!(find(&[&long[..], &[token]].concat()), None);
    }

    const HEADERS: &str = "(Basic |Bearer |realm=|scope=|[,\"'= a-z\\\\\t\u{e4}]){0,20}";

    proptest! {
        #[test]
        fn any_header_is_a_challenge_or_none(text in HEADERS) {
            if let Some(Challenge::Bearer { .. }) = find(&[&text]) {
                let text = text.to_lowercase();
                prop_assert!(text.contains("bearer") && text.contains("realm"));
            }
        }
    }
}
