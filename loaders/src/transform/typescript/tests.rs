//! Tests of the TypeScript transformation. GRAPH-64, GRAPH-65, GRAPH-66.

use super::strip;

/// Returns `source` without types. Checks that the remaining text keeps its position.
fn stripped(source: &str) -> String {
    let text = strip(source).unwrap_or_else(|problem| panic!("{source}\n{problem}"));
    let units = |text: &str| -> Vec<u16> { text.encode_utf16().collect() };
    let (before, after) = (units(source), units(&text));
    assert_eq!(before.len(), after.len(), "{source}\n{text}");
    for (left, right) in before.iter().zip(&after) {
        let is_ours = [b' ', b';', b'(', b')'].contains(&u8::try_from(*right).unwrap_or_default());
        assert!(left == right || is_ours, "{source}\n{text}");
    }
    text
}

/// Compares the result of each source in a table with the expected text.
fn compare(table: &[(&str, &str)]) {
    let results = table
        .iter()
        .map(|(source, expected)| (stripped(source), expected));
    let wrong: Vec<_> = results.filter(|(text, expected)| text != *expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn types_become_blank() {
    let table = [
        // Annotations.
        ("let x: number = 1;", "let x         = 1;"),
        ("let x!: Array<Array<T>>;", "let x                  ;"),
        ("let x: Array<T>= y;", "let x          = y;"),
        ("let x: Array<Array<T>>= y;", "let x                 = y;"),
        (
            "const { a, b }: T = c, [d]: U = e;",
            "const { a, b }    = c, [d]    = e;",
        ),
        (
            "function f(this: T, a?: number, ...b: U[]): void {}",
            "function f(         a         , ...b     )       {}",
        ),
        ("function f(this: T) {}", "function f(       ) {}"),
        (
            "function f(a: string = 'x', { b }: T = {}) {}",
            "function f(a         = 'x', { b }    = {}) {}",
        ),
        (
            "function f<const T extends U = V>(a: T): a is W {}",
            "function f                       (a   )         {}",
        ),
        (
            "const f = async <T,>(x?): Promise<T> => x!;",
            "const f = async     (x )             => x ;",
        ),
        ("try {} catch (e: unknown) {}", "try {} catch (e         ) {}"),
        ("for (const x of y as Z[]) {}", "for (const x of y       ) {}"),
        // Expressions.
        (
            "f(a as unknown as B, c satisfies D);",
            "f(a                , c            );",
        ),
        ("a!.b!()!?.c![0]!.d!;", "a .b () ?.c [0] .d ;"),
        ("a?.b!.c; (a?.b)!.c;", "a?.b .c; (a?.b) .c;"),
        (
            "new Map<string, Set<T>>(); f<T>(x); g<U>`y`; a?.b<T>(c);",
            "new Map                (); f   (x); g   `y`; a?.b   (c);",
        ),
        (
            "const make = f<string>; const b = new B<C>;",
            "const make = f        ; const b = new B   ;",
        ),
        (
            "(a as T) = b; [c as T] = d; (e!) = f; g! += 1; (h as T)++;",
            "(a     ) = b; [c     ] = d; (e ) = f; g  += 1; (h     )++;",
        ),
        (
            "const x = { a, b: 1 } as const;",
            "const x = { a, b: 1 }         ;",
        ),
        ("`${a as T}${b!}`;", "`${a     }${b }`;"),
        (
            "const o = { m<T>(a: T): T { return a }, get x(): T { return 1 }, async *g(): T {} };",
            "const o = { m   (a   )    { return a }, get x()    { return 1 }, async *g()    {} };",
        ),
        // Statements.
        ("type A = { a: string } | B;", "                           "),
        (
            "interface A<T> extends B { (x: T): void; new (y): A; [k: string]: C }",
            "                                                                     ",
        ),
        (
            "x;\ndeclare const a: number;\ny;",
            "x;\n                        \ny;",
        ),
        (
            "declare function f(): void; declare class A { b: c } declare namespace N { let x }",
            "                                                                                  ",
        ),
        (
            "declare enum E { A } declare module 'm' { export const x } declare global { var y }",
            "                                                                                   ",
        ),
        (
            "namespace N { export type A = B; namespace M.K { interface C {} } }",
            "                                                                   ",
        ),
        (
            "function f(a: string): void; function f(a: any) {}",
            "                             function f(a     ) {}",
        ),
        (
            "export declare const a: A; export type { B }; export interface C {}",
            "                                                                   ",
        ),
        ("export default interface A {}", "                             "),
        (
            "export default function f(): void; export default function f() {}",
            "                                   export default function f() {}",
        ),
        (
            "export abstract class A { abstract b(): void; abstract c: d; e() {} }",
            "export          class A {                                    e() {} }",
        ),
        (
            "export default abstract class A {}",
            "export default          class A {}",
        ),
        // Modules.
        (
            "import type A from './a.ts'; import type { B } from './b.ts'; import type * as C from 'c';",
            "                                                                                          ",
        ),
        (
            "import { type A } from './a.ts';",
            "import {        } from './a.ts';",
        ),
        (
            "import a, { type B, c, type D as E } from './a.ts';",
            "import a, {         c,             } from './a.ts';",
        ),
        (
            "import { type, type as, type as as, type as as b } from './a.ts';",
            "import { type,          type as as,              } from './a.ts';",
        ),
        (
            "import type from './a.ts'; import type, { a } from './b.ts';",
            "import type from './a.ts'; import type, { a } from './b.ts';",
        ),
        (
            "export { type A, b }; export { type C } from './c.ts'; export type * from './d.ts';",
            "export {         b }; export {        } from './c.ts';                             ",
        ),
        ("import type A = require('a');", "                             "),
        (
            "import a from './a.json' with { type: 'json' };",
            "import a from './a.json' with { type: 'json' };",
        ),
        // Classes.
        (
            "class A<T> extends B<U> implements C<D>, E { }",
            "class A    extends B                       { }",
        ),
        (
            "class A { private static readonly a: T = 1; b?: U; c!: V; declare d: W; #e?: X; }",
            "class A {         static          a    = 1; b    ; c    ;               #e    ; }",
        ),
        (
            "class A { public constructor(a: T) {} protected override async b?(): T {} static async *c<T>(): U {} }",
            "class A {        constructor(a   ) {} ;                  async b ()    {} static async *c   ()    {} }",
        ),
        (
            "class A { a(b: string): void; a(b: number): void; a(b) {} [k: string]: any; static [k: string]: any }",
            "class A {                                         a(b) {} ;                                         }",
        ),
        (
            "class A { readonly ['a' as B]?: C = d; get e(): F { return 1 } set e(g: H) {} static { let i: J } }",
            "class A {          ['a'     ]     = d; get e()    { return 1 } set e(g   ) {} static { let i;   } }",
        ),
        (
            "class A { readonly; private; declare; abstract = 1; static readonly = 2; public() {} }",
            "class A { readonly; private; declare; abstract = 1; static readonly = 2; public() {} }",
        ),
        (
            "const a = class<T> implements B {};",
            "const a = class                 {};",
        ),
        ("abstract class A {}", "         class A {}"),
        // Names that look like types and are not.
        (
            "const type = 1, declare = 2, as = 3, satisfies = 4; type; declare; a < b; c > (d);",
            "const type = 1, declare = 2, as = 3, satisfies = 4; type; declare; a < b; c > (d);",
        ),
        ("a ? (b) : c => d;", "a ? (b) : c => d;"),
        ("type\nA = 1", "type\nA = 1"),
        (
            "`type A = B; ${'as T'}`; /: number/; // x as T",
            "`type A = B; ${'as T'}`; /: number/; // x as T",
        ),
        ("", ""),
        ("#!/usr/bin/env node\nlet x: T", "#!/usr/bin/env node\nlet x;  "),
    ];
    compare(&table);
}

/// Comments within removed text are removed, and others stay. Columns count UTF-16 units, and line breaks stay the
/// same.
#[test]
fn comments_columns_and_line_ends() {
    let table = [
        (
            "let x /* a */ : /* b */ T /* c */ = 1 // d",
            "let x /* a */             /* c */ = 1 // d",
        ),
        (
            "type A = {\r\n  a: B // x\r\n}\u{2028}y",
            "          \r\n           \r\n \u{2028}y",
        ),
        (
            "let x: 'größe' | '日本' | '😀' = 1",
            "let x                        = 1",
        ),
    ];
    compare(&table);
}

/// A `;` replaces removed text that ended a statement.
#[test]
fn semicolons_end_statements() {
    let table = [
        ("a = b as T\n(c)", "a = b ;   \n(c)"),
        ("a = b\ntype T = U\n[c].d", "a = b\n;         \n[c].d"),
        ("a = b\ninterface T {}\n`c`", "a = b\n;             \n`c`"),
        ("let a: T\nlet b", "let a;  \nlet b"),
        ("return_(() => a as T)\n+b", "return_(() => a     )\n+b"),
        ("const f = () => a as T\n/b/g", "const f = () => a     \n/b/g"),
        ("a = b!\n;(c)", "a = b \n;(c)"),
        ("a = b!\nc", "a = b;\nc"),
        ("if (a) b as T\nelse c", "if (a) b ;   \nelse c"),
        ("if (a) type\n(b)", "if (a) type\n(b)"),
        ("do a as T\nwhile (b)", "do a ;   \nwhile (b)"),
        ("export default a as T\n(b)", "export default a ;   \n(b)"),
        (
            "declare let a: T\ntype B = C\n(d)",
            "                \n          \n(d)",
        ),
        ("{ type A = B }", "{            }"),
        (
            "class A { a = b as T\n[c] = d }",
            "class A { a = b ;   \n[c] = d }",
        ),
        (
            "class A { get: T\nset: U\nb() {} }",
            "class A { get;  \nset;  \nb() {} }",
        ),
        ("class A { static?: T\nb() {} }", "class A { static;   \nb() {} }"),
        (
            "class A { a = b\npublic *c() {} }",
            "class A { a = b\n;      *c() {} }",
        ),
        (
            "class A { a = b\nprivate ['c'] = d }",
            "class A { a = b\n;       ['c'] = d }",
        ),
        (
            "class A { a = b\ndeclare c: D\n*e() {} }",
            "class A { a = b\n;           \n*e() {} }",
        ),
        (
            "class A { a = b;\n[c: string]: D\n['e'] = f }",
            "class A { a = b;\n              \n['e'] = f }",
        ),
    ];
    compare(&table);
}

/// A parenthesis moves if JavaScript allows no line break at its position.
#[test]
fn arrow_functions_over_lines() {
    let table = [
        ("f = (a): {\n  b: C\n} => d", "f = (a    \n      \n) => d"),
        (
            "f = (a: B): Promise<\n  'ö'> => d",
            "f = (a              \n     ) => d",
        ),
        ("f = (a) // x\n: B => c", "f = (a      \n  ) => c"),
        ("f = (a): B => c", "f = (a)    => c"),
        (
            "function f() { return <T,\n>(a: T) => a }",
            "function f() { return (  \n  a   ) => a }",
        ),
        (
            "f = async <\nT>(a: T): Array<\nT> => a",
            "f = async (\n   a            \n ) => a",
        ),
        ("f = (a: {\nb: C }) => d", "f = (a   \n      ) => d"),
    ];
    compare(&table);
}

/// GRAPH-66: constructs that are more than a type, or whose removal would change the meaning.
#[test]
fn unsupported_syntax_is_rejected() {
    let table = [
        ("let a;\n  enum A { B }", 2, 3, "`enum`"),
        ("const enum A { B }", 1, 1, "`enum`"),
        ("export enum A { B }", 1, 8, "`enum`"),
        (
            "namespace A { export const b = 1 }",
            1,
            1,
            "a namespace with values",
        ),
        ("namespace A.B { c() }", 1, 1, "a namespace with values"),
        (
            "class A { constructor(private b: C) {} }",
            1,
            23,
            "a parameter that declares",
        ),
        (
            "class A { constructor(readonly b = 1) {} }",
            1,
            23,
            "a parameter that declares",
        ),
        ("import a = require('a')", 1, 1, "`import … =`"),
        ("import a = b.c", 1, 1, "`import … =`"),
        ("export = a", 1, 1, "`export =`"),
        ("a = <T>b", 1, 5, "`<Type>value`"),
        ("@a class B {}", 1, 1, "decorators"),
        ("class A { @b c() {} }", 1, 11, "decorators"),
        ("class A { @b declare c: D }", 1, 11, "decorators"),
        ("class A { b(@c d) {} }", 1, 13, "decorators"),
        ("class A { accessor b = 1 }", 1, 11, "`accessor`"),
        ("export as namespace A", 1, 1, "declaration file"),
        ("type A = B;\n'use strict'", 2, 1, "something else"),
        ("let a: = 1", 1, 8, ""),
        ("<div/>", 1, 5, ""),
        ("let as T", 1, 7, ""),
    ];
    for (source, line, column, message) in table {
        let problem = strip(source).unwrap_err();
        assert_eq!(
            (problem.line, problem.column),
            (line, column),
            "{source}\n{problem}"
        );
        assert!(problem.message.contains(message), "{source}\n{problem}");
    }
}
