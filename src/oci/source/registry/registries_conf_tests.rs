use super::*;
use proptest::prelude::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn config(files: &[&str]) -> Config {
    let mut config = Config::default();
    for text in files {
        config.add(Config::parse(text).unwrap());
    }
    config
}

/// The sources of `image`, as `NAME` or `NAME!` for an insecure one.
fn sources(config: &Config, image: &str) -> Vec<String> {
    let found = config.pull_sources(&image.parse().unwrap()).unwrap();
    let last = found.len() - 1;
    assert!(found.iter().enumerate().all(|(index, source)| source.is_mirror == (index < last)));
    let name = |source: &PullSource| {
        format!("{}{}", source.reference, if source.insecure { "!" } else { "" })
    };
    found.iter().map(name).collect()
}

#[test]
fn names_are_rewritten_by_the_longest_prefix() {
    let config = config(&[r#"
        unqualified-search-registries = ["other.example"]
        [[registry]]
        location = "a.example"
        insecure = true
        [[registry]]
        prefix = "a.example/team"
        location = "b.example:5000/mirror/of-team/"
        [[registry]]
        prefix = "a.example/team/one:v2"
        location = "c.example/two:v3"
        [[registry]]
        prefix = "docker.io/library"
        location = "hub.example/lib"
        [[registry]]
        prefix = "*.wild.example"
        insecure = true
        [[registry]]
        prefix = "*.moved.example"
        location = "intranet/moved"
        [aliases]
        "x" = "y.example/x"
    "#]);
    let cases = [
        ("a.example/x:v1", "a.example/x:v1!"),
        ("a.example:5000/x:v1", "a.example:5000/x:v1"),
        ("xa.example/x:v1", "xa.example/x:v1"),
        ("a.example/team/x:v1", "b.example:5000/mirror/of-team/x:v1"),
        ("a.example/team:v1", "b.example:5000/mirror/of-team:v1"),
        ("a.example/teams/x:v1", "a.example/teams/x:v1!"),
        ("a.example/team/one:v2", "c.example/two:v3"),
        ("a.example/team/one:v22", "b.example:5000/mirror/of-team/one:v22"),
        ("debian", "hub.example/lib/debian:latest"),
        ("a/b", "docker.io/a/b:latest"),
        ("one.two.wild.example:5000/x", "one.two.wild.example:5000/x:latest!"),
        ("wild.example/x", "wild.example/x:latest"),
        ("a.moved.example/b/c", "intranet/moved/b/c:latest"),
    ];
    for (image, expected) in cases {
        assert_eq!(sources(&config, image), [expected], "{image}");
    }
    let image = format!("a.example/team/x@sha256:{HEX}");
    let expected = format!("b.example:5000/mirror/of-team/x@sha256:{HEX}");
    assert_eq!(sources(&config, &image), [expected]);
}

#[test]
fn mirrors_come_first() {
    let mirrors = r#"
        [[registry]]
        location = "a.example"
        [[registry.mirror]]
        location = "m1.example/a"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "m2.example"
        insecure = true
        pull-from-mirror = "tag-only"
        [[registry.mirror]]
        location = "m3.example"
    "#;
    let by_digest = format!("a.example/x@sha256:{HEX}");
    let with = |host: &str| format!("{host}/x@sha256:{HEX}");
    let config = config(&[mirrors]);
    let by_tag = ["m2.example/x:v1!", "m3.example/x:v1", "a.example/x:v1"];
    assert_eq!(sources(&config, "a.example/x:v1"), by_tag);
    let expected = [with("m1.example/a"), with("m3.example"), with("a.example")];
    assert_eq!(sources(&config, &by_digest), expected);

    let only = "[[registry]]\nlocation = \"a.example\"\nmirror-by-digest-only = true\n\
                [[registry.mirror]]\nlocation = \"m.example\"";
    let config = self::config(&[only]);
    assert_eq!(sources(&config, "a.example/x:v1"), ["a.example/x:v1"]);
    assert_eq!(sources(&config, &by_digest), [with("m.example"), with("a.example")]);
}

#[test]
fn later_files_override_equal_prefixes() {
    let config = config(&[
        "[[registry]]\nlocation = \"a.example\"\n[[registry]]\nlocation = \"b.example\"",
        "[[registry]]\nprefix = \"a.example\"\nlocation = \"c.example\"",
    ]);
    assert_eq!(sources(&config, "a.example/x:v1"), ["c.example/x:v1"]);
    assert_eq!(sources(&config, "b.example/x:v1"), ["b.example/x:v1"]);
}

#[test]
fn a_blocked_registry_is_refused() {
    let config = config(&["[[registry]]\nprefix = \"a.example/x\"\nlocation = \"a.example/x\"\n\
                           blocked = true"]);
    let error = config.pull_sources(&"a.example/x/y".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("a.example/x is blocked"), "{error}");
    assert_eq!(sources(&config, "a.example/y:v1"), ["a.example/y:v1"]);
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let registry = |text: &str| format!("[[registry]]\n{text}");
    let cases = [
        ("[[registry]\n".to_owned(), "line 1"),
        (registry("location = 5"), "line 2"),
        (registry(""), "neither prefix nor location"),
        (registry("prefix = \"a.example\""), "has no location"),
        (registry("location = \"https://a.example\""), "without a scheme"),
        (registry("location = \"a.example\"\nprefix = \"a.*.example\""), "a * may only"),
        (registry("prefix = \"*.a.example/x\""), "a * may only"),
        (registry("location = \"a\"\n[[registry.mirror]]\nlocation = \"/\""), "a mirror of"),
        (registry("location = \"a\"\n[[registry.mirror]]\ninsecure = true"), "location"),
        (
            registry(
                "location = \"a\"\nmirror-by-digest-only = true\n[[registry.mirror]]\n\
                 location = \"b\"\npull-from-mirror = \"all\"",
            ),
            "keep one",
        ),
        (
            registry(
                "location = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\n\
                      pull-from-mirror = \"never\"",
            ),
            "never",
        ),
        ("[registries.search]\nregistries = [\"a\"]".to_owned(), "version 1"),
    ];
    for (text, expected) in cases {
        let error = Config::parse(&text).err().expect(&text);
        assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
    }
    let odd = config(&["[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example/UP\""]);
    let error = odd.pull_sources(&"a.example/x".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("lower-case"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}|(\\[\\[registry(\\.mirror)?\\]\\]\n\
        |(prefix|location) = \"(\\*\\.)?[a-z.:/@*\u{e4}]{0,9}\"\n|insecure = true\n){0,8}") {
        if let Ok(config) = Config::parse(&text) {
            for image in ["debian", "a.b/c:d", "[::1]:5/x"] {
                let reference: Reference = image.parse().unwrap();
                if let Ok(sources) = config.pull_sources(&reference) {
                    prop_assert!(!sources.is_empty());
                }
            }
        }
    }
}
