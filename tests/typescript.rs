//! Evaluation of programs in TypeScript: spec/graph.md, "Transformations".

use crate::support::{Scene, manifest};

/// Creates a program with this TypeScript entry.
fn scene(grants: &[&str], rest: &str, main: &str) -> Scene {
    Scene::new()
        .file(
            "secure.toml",
            manifest(grants, rest).replace("main.js", "main.ts"),
        )
        .file("main.ts", main)
}

/// GRAPH-64: every kind of type syntax, in a program that uses the remaining code.
#[test]
fn every_kind_of_type_syntax() {
    let main = r#"
        import { fs } from "cap:self";
        import { area, type Shape } from "./lib/shapes.mts";
        import type { Nothing } from "./none.ts";
        import plain from "./plain.js";

        declare global { interface Array<T> { last?: T } }
        type Named<T extends string = "x"> = { [K in T]: `${K}!` };
        interface Printer { print(this: Printer, text: string): void }
        namespace Types { export type A = Nothing }
        abstract class Base<T> {
          abstract name: string;
          protected constructor(readonly_: T) { this.value = readonly_ }
          public readonly value: T;
          declare none: never;
          [key: string]: unknown;
        }
        class Derived extends Base<number> implements Printer {
          override name = "derived"
          private static count?: number = 0
          get: number
          public constructor(value?: number) { super(value!) }
          print(text: string): void;
          print(text: unknown) { console.log(this.name, text as string, ++Derived.count!) }
        }
        function first<const T>(list: readonly T[]): T;
        function first(list: any[]) { return list[0]! }
        const wait = async <T,>(value: Promise<T>): Promise<{
          value: T
        }> => ({ value: await value });

        export default async function main(args: string[]): Promise<void> {
          const shapes: Shape[] = [{ width: 2, height: 3 } satisfies Shape];
          const derived = new Derived(7) as Derived & { name: "derived" };
          let sum!: number
          sum = shapes.map((shape): number => area(shape)).reduce((a: number, b) => a + b, 0) as number
          ;[sum].forEach((x) => derived.print(`${x as any}`));
          console.log(first<string>(args), derived.value, Object.keys(derived).join(), (await wait(Promise.resolve(1))).value, plain);
          console.log(typeof (globalThis as any).Types, (await fs.readTextFile("data/a.txt")).trim());
          try { await fs.readTextFile("b.txt") } catch (error: any) { console.log(error.name) }
        }
    "#;
    let scene = scene(&["fs.read=./data/**"], "", main)
        .file(
            "lib/shapes.mts",
            "export interface Shape { width: number; height: number }\n\
             export const area = ({ width, height }: Shape): number => width * height;\n",
        )
        .file(
            "plain.js",
            "import { value } from './value.ts'; export default value;",
        )
        .file("value.ts", "export const value: number = 5;")
        .file("data/a.txt", "text\n")
        .file("b.txt", "");
    assert_eq!(
        scene.run(&["one"]).completed().out,
        "derived 6 1\none 7 value,name,get 1 5\nundefined text\nCapabilityError\n"
    );
}

/// GRAPH-64: errors have the line and column of the source, although types before them were removed.
#[test]
fn errors_have_the_positions_of_the_source() {
    let main = "interface A {\n  b: 'größe' | '日本'\n}\n\
                const f = (a: 'größe' | { b: A }, c?: Array<A>): never => { throw new Error('here' as string) };\n\
                try { f('größe') } catch (error: any) { console.log(error.stack) }\n";
    let printed = scene(&[], "", main).run(&[]).completed().out;
    let line = main.lines().nth(3).unwrap();
    // V8 reports the position of `new`, QuickJS that of the call.
    let columns = ["new", "Error("].map(|text| {
        let before = &line[..line.find(text).unwrap()];
        format!("main.ts:4:{}", before.encode_utf16().count() + 1)
    });
    assert!(
        columns.iter().any(|place| printed.contains(place)),
        "{columns:?} {printed}"
    );
}

/// GRAPH-64: an import without `type` stays an import, and types do not exist at run time.
#[test]
fn a_type_imported_as_a_value() {
    let program = |main: &str| scene(&[], "", main).file("a.ts", "export type A = 1; console.log('a');");
    let right = program("import { type A } from './a.ts'; const x: A = 1; console.log(x)");
    assert_eq!(right.run(&[]).completed().out, "a\n1\n");
    let wrong = program("import { A } from './a.ts'; const x: A = 1; console.log(x)").run(&[]);
    assert!(format!("{:?}", wrong.exit).contains("Uncaught"), "{wrong:?}");
    assert_eq!(wrong.out, "");
}

/// GRAPH-67: a package in a folder of the project has its own rights, also in TypeScript.
#[test]
fn a_package_in_typescript() {
    let rest = "[imports]\np = \"./vendor/p/\"\n";
    let main =
        "import { read } from 'p'; import { now } from 'p/now.ts'; console.log(await read(), await now())";
    let scene = scene(&["fs.read=./**", "clock=1ms"], rest, main)
        .file("vendor/p/package.json", r#"{"exports":{".":"./index.ts","./now.ts":"./now.ts"}}"#)
        .file(
            "vendor/p/index.ts",
            "import { fs } from 'cap:self';\nexport const read = async (): Promise<string> => {\n  \
             try { return await fs.readTextFile('secure.toml') } catch (error: any) { return error.name as string }\n};\n",
        )
        .file("vendor/p/now.ts", "export const now = (): unknown => { try { return Date.now() } catch (e) { return (e as Error).name } }");
    assert_eq!(
        scene.run(&[]).completed().out,
        "CapabilityError CapabilityError\n"
    );
}

/// GRAPH-66: if a part of a program is refused, nothing of it runs.
#[test]
fn a_refused_part_refuses_the_program() {
    let scene = scene(&[], "", "console.log(1); import './a.ts'").file("a.ts", "enum A { B }");
    let ran = scene.run(&[]);
    let error = ran.exit.unwrap_err();
    assert!(
        error.contains("a.ts: line 1, column 1: `enum` makes an object"),
        "{error}"
    );
    assert_eq!(ran.out, "");
}
