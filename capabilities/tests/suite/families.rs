//! Scopes and resources of the built-in families: parsing and formatting.

use std::sync::Arc;

use secure_runtime_capabilities::*;

use crate::{base, operation, rights};

fn grant(text: &str) -> Result<Rights, ScopeError> {
    Families::builtin().parse_grants([text], &base())
}

/// Returns the description of a grant's scope, for the same family and action.
fn described(text: &str) -> String {
    let described = Families::builtin().describe(&grant(text).unwrap(), &base());
    let [one] = described.as_slice() else {
        panic!("{described:?}")
    };
    one.scopes.join(" ")
}

/// TOK-27, TOK-28, TOK-29, TOK-30, TOK-31: scopes.
#[test]
fn scopes_are_described_in_the_form_that_people_write() {
    for (text, expected) in [
        ("fs.read=./data/**", "./data/**"),
        ("fs.read=data/**", "./data/**"),
        ("fs.read=/srv/app/data/**", "./data/**"),
        ("fs.read=./data/a.csv", "./data/a.csv"),
        ("fs.read=**", "./**"),
        ("fs.read=./**", "./**"),
        ("fs.read=.", "."),
        ("fs.write=/**", "/**"),
        ("fs.write=/", "/"),
        ("fs.read=../other/**", "/srv/other/**"),
        ("fs.read=/srv/application/**", "/srv/application/**"),
        ("net.connect=https://api.example.com", "https://api.example.com"),
        (
            "net.connect=https://api.example.com:443",
            "https://api.example.com",
        ),
        (
            "net.connect=http://*.Example.com.:8080",
            "http://*.example.com:8080",
        ),
        ("net.connect=https://*.example.com", "https://*.example.com"),
        ("net.connect=tcp://DB:5432", "tcp://db:5432"),
        ("net.connect=https://[::1]:8443", "https://[::1]:8443"),
        ("net.connect=http://127.1", "http://127.0.0.1"),
        ("net.connect=tls://DB:5432", "tls://db:5432"),
        ("net.connect=udp://10.0.0.0/8:53", "udp://10.0.0.0/8:53"),
        ("net.listen=tcp://localhost:80", "tcp://127.0.0.1:80"),
        ("net.listen=udp://*:53", "udp://*:53"),
        ("net.resolve=*.Example.com", "*.example.com"),
        ("net.resolve=db.example.com.", "db.example.com"),
        ("env.read=HOME", "HOME"),
        ("env.read=APP_*", "APP_*"),
        ("env.read=*", "*"),
        ("clock=1ms", "1ms"),
        ("clock.read=1s", "1s"),
        ("random=true", "true"),
        ("random.read=*", "true"),
        ("store.add=*", "*"),
    ] {
        assert_eq!(described(text), expected, "{text}");
        let (name, _) = text.split_once('=').unwrap();
        assert_eq!(grant(&format!("{name}={expected}")), grant(text), "{text}");
    }
}

#[test]
fn patterns_without_a_scope_are_described() {
    let patterns = [Pattern::affix("/a", ".csv"), Pattern::prefix("/data")];
    assert_eq!(
        Fs.describe(ActionName::READ, &patterns, &base()),
        ["/a….csv", "/data…"]
    );
    let patterns = [
        Pattern::exact("https://EXAMPLE.com:443"),
        Pattern::prefix("https://"),
    ];
    assert_eq!(
        Net.describe(ActionName::CONNECT, &patterns, &base()),
        ["https://EXAMPLE.com:443", "https://…"]
    );
    let patterns = [Pattern::affix("lib/", "x"), Pattern::prefix("lib/")];
    assert_eq!(
        Module.describe(ActionName::IMPORT, &patterns, &base()),
        ["lib/…x", "lib/**"]
    );
    let patterns = [Pattern::exact("1us"), Pattern::exact("1s")];
    assert_eq!(
        Clock.describe(ActionName::READ, &patterns, &base()),
        ["1us", "1s"]
    );
}

/// TOK-27
#[test]
fn a_folder_scope_covers_the_folder_and_its_content() {
    let rights = grant("fs.read=./data/**").unwrap();
    let read = |path: &str| rights.allows(FamilyName::FS, ActionName::READ, path);
    assert!(read("/srv/app/data") && read("/srv/app/data/a/b"));
    assert!(!read("/srv/app/data2") && !read("/srv/app/data-secret/x") && !read("/srv/app"));
    let everything = grant("fs.read=/**").unwrap();
    assert!(everything.covers(&rights) && everything.allows(FamilyName::FS, ActionName::READ, "/"));
}

#[test]
fn errors_list_the_known_names() {
    for (text, expected) in [
        // No suggestion is made if every letter differs, or if three letters differ.
        (
            "xy.read=.",
            "unknown family `xy`; known: fs, net, env, clock, random, kv, http, secrets, log, module, store",
        ),
        (
            "modest.read=.",
            "unknown family `modest`; known: fs, net, env, clock, random, kv, http, secrets, log, module, store",
        ),
        (
            "fz.read=.",
            "unknown family `fz`; did you mean `fs`? Known: fs, net, env, clock, random, kv, http, secrets, log, module, store",
        ),
        (
            "widgets.read=.",
            "unknown family `widgets`; known: fs, net, env, clock, random, kv, http, secrets, log, module, store",
        ),
        (
            "stor.add=*",
            "unknown family `stor`; did you mean `store`? Known: fs, net, env, clock, random, kv, http, secrets, log, module, store",
        ),
        ("store.write=*", "`store` has no action `write`; known: read, add"),
        (
            "store.read=blake3:01",
            "`blake3:01` is not valid for `store.read`: a blob is blake3:HASH with 64 lower-case hexadecimal digits; as a scope, `*` alone means all",
        ),
        (
            "fs.reed=.",
            "`fs` has no action `reed`; did you mean `read`? Known: read, write",
        ),
        (
            "fs=.",
            "a grant of `fs` must name the action: `fs.read`, `fs.write`",
        ),
        (
            "fs.read=./*.csv",
            "`./*.csv` is not valid for `fs.read`: `*` is allowed only at the end, for a folder with its content: `./data/**`",
        ),
        (
            "clock=2ms",
            "`2ms` is not valid for `clock.read`: use one of 1us, 10us, 100us, 1ms, 10ms, 100ms, 1s, never",
        ),
        (
            "fs.read",
            "`fs.read` is not a grant: write `family.action=scope`, as in `fs.read=./data/**`",
        ),
        (
            "net.connect=https://a.com/x",
            "`https://a.com/x` is not valid for `net.connect`: an origin is only scheme, host and port: remove the path",
        ),
    ] {
        assert_eq!(grant(text).unwrap_err().to_string(), expected, "{text}");
    }
}

/// TOK-27, TOK-28, TOK-29, TOK-30, TOK-31: resources.
#[test]
fn operations_are_read_from_text() {
    let families = Families::builtin();
    for (text, expected) in [
        ("fs read data/a b.csv", "fs read /srv/app/data/a b.csv"),
        ("net connect https://A.com", "net connect https://a.com:443"),
        ("clock 1ms", "clock read 1ms"),
        ("clock read 1ms", "clock read 1ms"),
        ("random", "random read os"),
        ("random read", "random read os"),
        ("random read os", "random read os"),
        ("env read HOME", "env read HOME"),
    ] {
        assert_eq!(
            families.parse_operation(text, &base()).unwrap().to_string(),
            expected,
            "{text}"
        );
    }
    for text in [
        "",
        "fs",
        "fs read",
        "fs reed x",
        "nothing read x",
        "clock",
        "env read A=B",
        "fs  read x",
    ] {
        assert!(families.parse_operation(text, &base()).is_err(), "{text:?}");
    }
    let unknown = families.parse_operation("fs reed x", &base()).unwrap_err();
    assert!(
        unknown.to_string().starts_with("`fs` has no action `reed`"),
        "{unknown}"
    );
    for text in ["fs", "fs read"] {
        assert_eq!(
            families.parse_operation(text, &base()).unwrap_err(),
            ScopeError::NotAnOperation {
                text: text.to_owned()
            }
        );
    }
}

/// The short form `random = true` is used only for the pattern that a manifest grants. Other patterns have
/// the form of other families.
#[test]
fn only_the_pattern_of_a_manifest_has_the_short_form() {
    let line = |scopes: &[&str]| {
        let described = Described {
            family: FamilyName::RANDOM,
            action: ActionName::READ,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        described.manifest_line()
    };
    assert_eq!(line(&["true"]), "random = true");
    assert_eq!(line(&["os"]), "random.read = [\"os\"]");
    assert_eq!(line(&["true", "os"]), "random.read = [\"true\", \"os\"]");
}

struct KeyValue;

impl Family for KeyValue {
    fn name(&self) -> FamilyName {
        "rows".parse().unwrap()
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::READ,
            summary: "read values",
        }]
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        match text.strip_suffix(":*") {
            Some(table) => Ok(vec![Pattern::prefix(format!("{table}:"))]),
            None => Err(Problem::Other("write `table:*`".to_owned())),
        }
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

#[test]
fn extensions_add_families_that_decide_and_travel_in_tokens_like_the_built_in_ones() {
    let families = Families::builtin().with(Arc::new(KeyValue)).unwrap();
    assert_eq!(
        families.clone().with(Arc::new(KeyValue)).unwrap_err(),
        ScopeError::Duplicate {
            family: KeyValue.name()
        }
    );
    let rights = families.parse_grants(["rows.read=users:*"], &base()).unwrap();
    let root = KeyPair::generate().unwrap();
    let token = Token::mint(&root, &Block::of(rights)).unwrap();
    let token = Token::verify(token.as_bytes(), &root.public()).unwrap();
    let context = Context::at(0);
    for (text, expected) in [("rows read users:7", true), ("rows read orders:7", false)] {
        let operation = families.parse_operation(text, &base()).unwrap();
        assert_eq!(
            token.authority().decide(&operation, &context).is_allowed(),
            expected
        );
        assert_eq!(oracle(&token, &operation, &context), Ok(expected));
    }
}

fn scope(grant: &str) -> Vec<String> {
    let families = Families::builtin();
    let rights = families.parse_grants([grant], &base()).unwrap();
    let described = families.describe(&rights, &base());
    described
        .into_iter()
        .flat_map(|described| described.scopes)
        .collect()
}

/// TOK-35
#[test]
fn keys_are_granted_by_name_or_by_prefix() {
    for text in ["user/42", "user/*", "*", "ключ", "a b"] {
        assert_eq!(scope(&format!("kv.read={text}")), [text]);
    }
    for text in ["", "a*b", "**", "a\0", &"k".repeat(2_049)] {
        let grant = format!("kv.write={text}");
        assert!(
            Families::builtin().parse_grant(&grant, &base()).is_err(),
            "{grant:?}"
        );
        if !text.contains('*') {
            let operation = format!("kv read {text}");
            assert!(
                Families::builtin().parse_operation(&operation, &base()).is_err(),
                "{operation:?}"
            );
        }
    }
    let authority = Authority::new(Block::of(rights(&["kv.read=user/*", "kv.write=user/1"]))).unwrap();
    for (text, expected) in [
        ("kv read user/1", true),
        ("kv read user/", true),
        ("kv read user", false),
        ("kv read users/1", false),
        ("kv write user/1", true),
        ("kv write user/12", false),
    ] {
        let decision = authority.decide(&operation(text), &Context::at(0));
        assert_eq!(decision.is_allowed(), expected, "{text}");
    }
}

/// TOK-44
#[test]
fn blobs_are_granted_by_hash_or_all_at_once() {
    let (one, other) = ("01".repeat(32), "02".repeat(32));
    for text in ["*".to_owned(), format!("blake3:{one}")] {
        assert_eq!(scope(&format!("store.read={text}")), [text]);
    }
    let families = Families::builtin();
    for text in [
        String::new(),
        one.clone(),
        "blake3:".to_owned(),
        "blake3:*".to_owned(),
        "**".to_owned(),
        format!("blake3:{one}*"),
        format!("blake3:{}*", "01".repeat(31)),
        format!("*{one}"),
        format!("blake3:{}0", "01".repeat(31)),
        format!("blake3:{one}0"),
        format!("BLAKE3:{one}"),
        format!("blake3:{}", "0A".repeat(32)),
        format!(" blake3:{one}"),
        format!("sha256:{one}"),
        format!("a.js#blake3:{one}"),
    ] {
        for action in ["read", "add"] {
            let grant = families.parse_scope("store", Some(action), &text, &base());
            assert!(grant.is_err(), "{text:?}: {grant:?}");
            let operation = families.parse_operation(&format!("store {action} {text}"), &base());
            assert!(operation.is_err(), "{text:?}: {operation:?}");
        }
    }
    // A question must name one blob.
    assert!(families.parse_operation("store read *", &base()).is_err());
    assert!(
        families
            .parse_grant(&format!("store=blake3:{one}"), &base())
            .is_err()
    );

    let authority = Authority::new(Block::of(rights(&[
        "store.read=*",
        &format!("store.add=blake3:{one}"),
    ])))
    .unwrap();
    let narrower = authority
        .narrow(&Block::of(rights(&[
            &format!("store.read=blake3:{other}"),
            "store.add=*",
        ])))
        .unwrap();
    for (text, wide, narrow) in [
        (format!("store read blake3:{one}"), true, false),
        (format!("store read blake3:{other}"), true, true),
        (format!("store add blake3:{one}"), true, true),
        (format!("store add blake3:{other}"), false, false),
        (format!("module a.js#blake3:{one}"), false, false),
    ] {
        let decide =
            |authority: &Authority| authority.decide(&operation(&text), &Context::at(0)).is_allowed();
        assert_eq!((decide(&authority), decide(&narrower)), (wide, narrow), "{text}");
    }
    let patterns = [
        Pattern::prefix("blake3:"),
        Pattern::affix("", "0"),
        Pattern::prefix(""),
    ];
    assert_eq!(
        Store.describe(ActionName::ADD, &patterns, &base()),
        ["blake3:…", "…0", "*"]
    );
}

/// TOK-44
#[test]
fn families_for_tokens_cannot_be_granted_to_programs() {
    let families = Families::builtin();
    for family in families.iter() {
        let name = family.name().to_string();
        let expected = if family.name() == FamilyName::STORE {
            Err(ScopeError::NotForPrograms {
                family: FamilyName::STORE,
            })
        } else {
            Ok(family.name())
        };
        assert_eq!(
            families.program_family(&name).map(Family::name),
            expected,
            "{name}"
        );
    }
    let unknown = families.program_family("stor").err().unwrap();
    assert!(unknown.to_string().contains("did you mean `store`"), "{unknown}");
}

/// TOK-36
#[test]
fn modules_are_granted_by_name_or_by_content() {
    let (one, other) = ("01".repeat(32), "02".repeat(32));
    let hash = format!("blake3:{one}");
    let both = format!("app:/plugins/a.js#{hash}");
    for text in ["app:/plugins/a.js", "marked/**", "app:/plugins/**", &hash, &both] {
        assert_eq!(scope(&format!("module={text}")), [text]);
    }
    for text in [
        "",
        "/**",
        "a//b",
        "a/../b",
        "./a",
        "a/",
        "a#b",
        "a*",
        "a b",
        "a\n",
        "blake3:",
        "blake3:01",
        "**",
        "a/**/b",
        "a#blake3:01",
        "#blake3:0101010101010101010101010101010101010101010101010101010101010101",
    ] {
        let grant = format!("module.import={text}");
        assert!(
            Families::builtin().parse_grant(&grant, &base()).is_err(),
            "{grant:?}"
        );
    }
    let authority = |grant: &str| Authority::new(Block::of(rights(&[grant]))).unwrap();
    for (grant, name, hash, expected) in [
        ("module=marked/**".to_owned(), "marked/a.js", &one, true),
        ("module=marked/**".to_owned(), "marked/b/c.js", &other, true),
        ("module=marked/**".to_owned(), "marked", &one, false),
        ("module=marked/**".to_owned(), "marked-evil/a.js", &one, false),
        ("module=marked/a.js".to_owned(), "marked/a.js", &one, true),
        ("module=marked/a.js".to_owned(), "marked/a.jsx", &one, false),
        (format!("module=blake3:{one}"), "marked/a.js", &one, true),
        (format!("module=blake3:{one}"), "evil/x.js", &one, true),
        (format!("module=blake3:{one}"), "marked/a.js", &other, false),
    ] {
        let operation = operation(&format!("module {name}#blake3:{hash}"));
        let decision = authority(&grant).decide(&operation, &Context::at(0));
        assert_eq!(decision.is_allowed(), expected, "{grant}: {operation}");
    }
    let both = authority("module=marked/**")
        .narrow(&Block::of(rights(&[&format!("module=blake3:{one}")])))
        .unwrap();
    let ask = |text: String| both.decide(&operation(&text), &Context::at(0)).is_allowed();
    assert!(ask(format!("module marked/a.js#blake3:{one}")));
    assert!(
        !ask(format!("module marked/a.js#blake3:{other}")) && !ask(format!("module app:/a.js#blake3:{one}"))
    );
}

/// TOK-28, TOK-37: ports and networks, and texts that match neither.
#[test]
fn endpoints_are_matched_by_host_address_and_port() {
    let authority = Authority::new(Block::of(rights(&[
        "net.connect=tcp://db.example.com:5000-5999",
        "net.connect=https://*.example.com",
        "net.connect=tcp://10.0.0.0/8:5432",
        "net.connect=tcp://[fd00::]/8:5432",
    ])))
    .unwrap();
    for (text, expected) in [
        ("tcp://db.example.com:5000", true),
        ("tcp://DB.example.com.:5999", true),
        ("tcp://db.example.com:4999", false),
        ("tcp://db.example.com:6000", false),
        ("http://db.example.com:5000", false),
        ("https://a.example.com", true),
        ("https://a.b.example.com:443", true),
        ("https://a.example.com:444", false),
        ("https://example.com", false),
        ("https://aexample.com", false),
        ("https://a.example.com.evil.com", false),
        ("tcp://10.1.2.3:5432", true),
        ("tcp://0xa.1:5432", true),
        ("tcp://11.0.0.0:5432", false),
        ("tcp://9.255.255.255:5432", false),
        ("tcp://10.0.0.1:5433", false),
        ("tcp://10.evil.com:5432", false),
        ("tcp://[::ffff:10.1.2.3]:5432", false),
        ("tcp://[fdff::1]:5432", true),
        ("tcp://[fc00::1]:5432", false),
    ] {
        let decision = authority.decide(&operation(&format!("net connect {text}")), &Context::at(0));
        assert_eq!(decision.is_allowed(), expected, "{text}");
    }
}

/// TOK-46, TOK-47: a denial names the line that grants the socket or the name.
#[test]
fn missing_rights_of_sockets_are_suggested() {
    let authority = Authority::new(Block::of(rights(&["net.connect=tcp://db.example:80"]))).unwrap();
    for (text, line) in [
        (
            "net listen tcp://localhost:80",
            "net.listen = [\"tcp://127.0.0.1:80\"]",
        ),
        ("net listen udp://[::1]:0", "net.listen = [\"udp://[::1]:0\"]"),
        ("net resolve DB.example.", "net.resolve = [\"db.example\"]"),
        (
            "net connect tls://db.example:80",
            "net.connect = [\"tls://db.example:80\"]",
        ),
        ("net connect udp://[::1]:53", "net.connect = [\"udp://[::1]:53\"]"),
    ] {
        let operation = operation(text);
        let explanation = explain(
            &authority,
            &operation,
            &Context::at(0),
            &Families::builtin(),
            &base(),
        );
        assert_eq!(explanation.missing.unwrap().manifest_line(), line);
    }
}
