//! Calls that take memory outside the engine's heap only while they run.

use secure_runtime::Exit;

use super::{CASE, measure, measure_in_own_processes, run};
use crate::support::Scene;

/// The beginning of the names of measured [`MOMENTS`].
pub(super) const MOMENT: &str = "moment: ";
/// Calls that take memory outside the engine's heap while they run. Each has a name, a call with an extreme text or
/// list, and an expression with an ordinary one. The expression must be true.
pub(super) const MOMENTS: &[(&str, &str, &str)] = &[
    (
        "normalize",
        "'\\uFDFA'.repeat(2 ** 24).normalize('NFKD')",
        "'\\uFDFA'.repeat(40_000).normalize('NFKD').length === 720_000 && 'e\\u0301 '.repeat(2 ** 18).normalize() === 'é '.repeat(2 ** 18)",
    ),
    (
        "normalize a longer text",
        "'\\u0390'.repeat(2 ** 27).normalize('NFD')",
        "'x'.repeat(2 ** 20).normalize('NFD') === 'x'.repeat(2 ** 20)",
    ),
    (
        "localeCompare",
        "'x'.repeat(2 ** 29 - 30).localeCompare('é')",
        "'x'.repeat(2 ** 20).localeCompare('é'.repeat(2 ** 20)) === 1",
    ),
    (
        "Intl.Collator.compare",
        "new Intl.Collator('de').compare('x'.repeat(2 ** 29 - 30), 'é')",
        "globalThis.Intl === undefined || ['z', 'ä', 'a'].sort(new Intl.Collator('de').compare).join() === 'a,ä,z'",
    ),
    (
        "Intl.ListFormat.format",
        "new Intl.ListFormat().format(Array(2 ** 20).fill('x'.repeat(300)))",
        "globalThis.Intl === undefined || new Intl.ListFormat('en').format(Array(1_000).fill('x'.repeat(300))).length > 300_000",
    ),
    (
        "Intl.ListFormat.format of any iterable",
        "new Intl.ListFormat().format((function* () { for (;;) yield 'x'.repeat(2 ** 20); })())",
        "globalThis.Intl === undefined || new Intl.ListFormat('en').format(new Set(['a', 'b'])) === 'a and b'",
    ),
    (
        "Intl.ListFormat.formatToParts",
        "new Intl.ListFormat().formatToParts(Array(2 ** 20).fill('x'.repeat(300)))",
        "globalThis.Intl === undefined || new Intl.ListFormat('en').formatToParts(['a', 'b']).length === 3",
    ),
    (
        "structuredClone",
        "structuredClone(Array(10_000).fill('x'.repeat(100_000)))",
        "structuredClone(['x'.repeat(2 ** 20)])[0].length === 2 ** 20",
    ),
    (
        "structuredClone of numbers",
        "structuredClone(Array(10_000).fill(1n << 1_000_000n))",
        "structuredClone([1n << 1_000_000n])[0] === 1n << 1_000_000n",
    ),
    (
        "structuredClone of what a getter returns",
        "structuredClone({ get a() { return Array(10_000).fill('x'.repeat(100_000)); } })",
        "structuredClone({ get a() { return 1; } }).a === 1",
    ),
    (
        "JSON.parse of a deep text",
        "JSON.parse('['.repeat(2 ** 25))",
        "JSON.parse('['.repeat(500) + ']'.repeat(500)).length === 1",
    ),
    (
        "JSON.parse of deep objects",
        "JSON.parse('{\"\":'.repeat(2 ** 24))",
        "JSON.parse(JSON.stringify(Array(100_000).fill({ a: 'b' }))).length === 100_000",
    ),
    (
        "JSON.parse of many properties",
        "JSON.parse('{' + '\"a\":1,'.repeat(2 ** 21) + '\"a\":1}')",
        "JSON.parse('{' + '\"a\":1,'.repeat(2 ** 16) + '\"a\":2}').a === 2",
    ),
    (
        "JSON.parse of many values",
        "JSON.parse('[' + '0,'.repeat(2 ** 26) + '0]')",
        "JSON.parse('[' + '0,'.repeat(2 ** 18) + '0]').length === 2 ** 18 + 1",
    ),
    (
        "encodeURIComponent",
        "encodeURIComponent('\\u0800'.repeat(2 ** 26))",
        "encodeURIComponent('é😀'.repeat(50_000)) === '%C3%A9%F0%9F%98%80'.repeat(50_000)",
    ),
    (
        "encodeURI",
        "encodeURI('\\u0800'.repeat(2 ** 26))",
        "encodeURI('/é'.repeat(100_000)) === '/%C3%A9'.repeat(100_000)",
    ),
    (
        "RegExp",
        "new RegExp('(?:a|b)'.repeat(2 ** 20))",
        "new RegExp(Array(20_000).fill('word').join('|')).test('a word')",
    ),
    (
        "RegExp with classes of characters",
        "new RegExp('\\\\p{L}'.repeat(2 ** 14), 'u')",
        "new RegExp('\\\\p{L}'.repeat(100), 'u').test('é'.repeat(100))",
    ),
    (
        "RegExp without new",
        "RegExp('(?:a|b)'.repeat(2 ** 20))",
        "RegExp('a|b').test('b') && RegExp(RegExp('a', 'g')).flags === 'g'",
    ),
    (
        "RegExp of a forged pattern",
        "new RegExp({ [Symbol.match]: true, source: '(?:a|b)'.repeat(2 ** 20), flags: '' })",
        "new RegExp({ [Symbol.match]: true, source: 'a', flags: 'g' }).source === 'a'",
    ),
    (
        "match",
        "''.match('(?:a|b)'.repeat(2 ** 20))",
        "'ab'.match('b').index === 1 && 'ab'.match(/b/).index === 1",
    ),
    (
        "matchAll",
        "''.matchAll({ toString: () => '(?:a|b)'.repeat(2 ** 20) })",
        "[...'abab'.matchAll('b')].length === 2 && [...'abab'.matchAll(/b/g)].length === 2",
    ),
    (
        "search",
        "''.search('(?:a|b)'.repeat(2 ** 20))",
        "'ab'.search('b') === 1 && 'ab'.search(/b/) === 1",
    ),
    (
        "TextEncoder.encode",
        "new TextEncoder().encode('\\u0800'.repeat(2 ** 29 - 30))",
        "new TextEncoder().encode('\\u0800'.repeat(2 ** 20)).length === 3 * 2 ** 20",
    ),
    (
        "TextEncoder.encodeInto",
        "new TextEncoder().encodeInto('x'.repeat(2 ** 29 - 30), new Uint8Array(4))",
        "new TextEncoder().encodeInto('a😀'.repeat(2 ** 20), new Uint8Array(8)).read === 4",
    ),
    (
        "TextDecoder.decode",
        "new TextDecoder().decode(new Uint8Array(24 << 20).fill(255))",
        "new TextDecoder().decode(new TextEncoder().encode('é€😀'.repeat(200_000))) === 'é€😀'.repeat(200_000)",
    ),
    (
        "TextDecoder of another encoding",
        "new TextDecoder('shift_jis').decode(new Uint8Array(24 << 20).fill(0x93))",
        "new TextDecoder('latin1').decode(new Uint8Array(2 ** 21).fill(0xe9)) === 'é'.repeat(2 ** 21)",
    ),
    (
        "atob",
        "atob('YWFh'.repeat(2 ** 26))",
        "atob('YWFh'.repeat(2 ** 18)) === 'aaa'.repeat(2 ** 18)",
    ),
    (
        "btoa",
        "btoa('aaa'.repeat(2 ** 27))",
        "btoa('aaa'.repeat(2 ** 18)) === 'YWFh'.repeat(2 ** 18)",
    ),
    (
        "URLPattern",
        "new URLPattern({ pathname: `/${'a'.repeat(2 ** 27)}` })",
        "new URLPattern({ pathname: `/${'a'.repeat(1000)}` }).test({ pathname: `/${'a'.repeat(1000)}` })",
    ),
    (
        "URL",
        "new URL('https://a/' + 'é'.repeat(2 ** 25))",
        "new URL('https://a/' + 'é'.repeat(2 ** 18)).pathname.length === 1 + 6 * 2 ** 18",
    ),
    (
        "URL.canParse",
        "URL.canParse('x'.repeat(2 ** 29 - 30))",
        "URL.canParse('https://a/' + 'x'.repeat(2 ** 19))",
    ),
    (
        "URL.hash",
        "new URL('https://a/').hash = 'é'.repeat(2 ** 25)",
        "Object.assign(new URL('https://a/'), { hash: 'é' }).hash === '#%C3%A9'",
    ),
    (
        "URLSearchParams",
        "new URLSearchParams('&a'.repeat(2 ** 26))",
        "new URLSearchParams('&a=é'.repeat(50_000)).size === 50_000",
    ),
    (
        "URLSearchParams.toString",
        "new URLSearchParams(Array(10_000).fill(['a', 'x'.repeat(100_000)])).toString()",
        "new URLSearchParams('a=é&b&'.repeat(50_000)).toString() === 'a=%C3%A9&b=&'.repeat(50_000).slice(0, -1)",
    ),
    (
        "fs.stat",
        "await fs.stat('x'.repeat(2 ** 29 - 30))",
        "(await fs.stat('x'.repeat(2 ** 20)).catch((error) => error)).name === 'TypeError' && (await fs.stat('data/a')).size === 1",
    ),
    (
        "fs.writeTextFile",
        "await fs.writeTextFile('data/out', 'x'.repeat(2 ** 29 - 30))",
        "await fs.writeTextFile('data/out', 'x'.repeat(2 ** 22)) === undefined && (await fs.stat('data/out')).size === 2 ** 22",
    ),
    (
        "fs.attenuate",
        "fs.attenuate({ read: Array(10_000).fill('x'.repeat(100_000)) })",
        "(await fs.attenuate({ read: ['data/a'] }).stat('data/a')).size === 1",
    ),
    (
        "env.get",
        "env.get('x'.repeat(2 ** 29 - 30))",
        "env.get('LONG').length === 10_000",
    ),
    (
        "kv.set",
        "await kv.set('a', 'x'.repeat(2 ** 29 - 30))",
        "await kv.set('a', 'b') === undefined && await kv.get('a') === 'b'",
    ),
    (
        "net.fetch",
        "await net.fetch('https://a/', { headers: Array(1_000).fill(['a', 'x'.repeat(2 ** 20)]) })",
        "(await net.fetch('https://a/', { headers: [['a', 'x'.repeat(2 ** 20)]] }).catch((error) => error)).name === 'TypeError'",
    ),
    (
        "console.log",
        "console.log('x'.repeat(2 ** 29 - 30).slice(0, 0), 'x'.repeat(2 ** 25).length)",
        "console.log('') === undefined",
    ),
    (
        "console.table",
        "console.table(Object.fromEntries(Array(10).fill(0).map((_, n) => ['\\x1b'.repeat(2 ** 20) + n, 1])))",
        "console.table({}) === undefined",
    ),
];

/// RUN-86, A154: no call takes more memory than is counted, for a moment either. A text of V8 can have 2^29 characters
/// and take almost no memory.
#[test]
fn a154_no_built_in_function_takes_memory_beyond_the_account() {
    const NAME: &str = "memory::moments::a154_no_built_in_function_takes_memory_beyond_the_account";
    if let Ok(name) = std::env::var(CASE) {
        return measure(&name);
    }
    let cases: Vec<String> = MOMENTS
        .iter()
        .map(|(name, ..)| format!("{MOMENT}{name}"))
        .collect();
    measure_in_own_processes(NAME, &cases);
}

/// RUN-86, A154: the same calls with ordinary texts and lists.
#[test]
fn a154_ordinary_texts_and_lists_have_room() {
    for (name, _, expression) in MOMENTS {
        let main = format!(
            "import {{ fs, env, kv, net }} from 'cap:self'; const is = {expression}; console.log('is', is);"
        );
        let grants = [
            "fs.read=./data/**",
            "fs.write=./data/**",
            "env.read=LONG",
            "kv.read=*",
            "kv.write=*",
        ];
        let scene = Scene::new()
            .file("secure.toml", crate::support::manifest(&grants, ""))
            .file("main.js", main)
            .file("data/a", "a");
        let (outcome, out) = run(&scene, &grants);
        assert!(
            matches!(outcome.exit, Exit::Completed) && out.ends_with("is true\n"),
            "{name}: {:?} {out}",
            outcome.exit
        );
    }
}

/// RUN-86, A154: the classes of characters in regular expression literals need room, too. V8 checks literals when it
/// compiles the module, also those in functions that never run.
#[test]
fn a154_literals_of_modules_have_room_or_are_refused() {
    for (class, flag, many) in [
        ("\\p{L}", "u", 1 << 15),
        ("\\P{L}", "u", 1 << 15),
        ("\\p{RGI_Emoji}", "v", 100),
    ] {
        let main = |count: usize| {
            format!(
                "export const f = () => /{}/{flag};\nconsole.log(f().source.length > 0);",
                class.repeat(count)
            )
        };
        let scene = Scene::of_main(&[], &main(many));
        let (outcome, _) = run(&scene, &[]);
        let Exit::Uncaught(error) = &outcome.exit else {
            panic!("{class}: {:?}", outcome.exit);
        };
        assert!(
            error.message.contains("there is no room for"),
            "{}",
            error.message
        );
        let scene = Scene::of_main(&[], &main(10));
        let (outcome, out) = run(&scene, &[]);
        assert!(
            matches!(outcome.exit, Exit::Completed),
            "{class}: {:?}",
            outcome.exit
        );
        assert_eq!(out, "true\n");
    }
}
