//! Packages that assign to properties which their objects inherit from frozen intrinsics.

use crate::support::Scene;

/// RUN-3: classes as compilers wrote them before there was `class`, of everything that can be extended, with an own `constructor`.
#[test]
fn classes_of_old_compilers_have_a_constructor_of_their_own() {
    let source = r#"
        // As TypeScript wrote it for ES5, and Node.js's util.inherits and many by hand.
        const ways = {
          typescript(Child, Base) { function Made() { this.constructor = Child; } Made.prototype = Base.prototype; Child.prototype = new Made(); },
          byHand(Child, Base) { Child.prototype = Object.create(Base.prototype); Child.prototype.constructor = Child; },
        };
        const bases = {
          Object, Error, TypeError, RangeError, AggregateError, Date, Promise, RegExp, Map, Set, WeakMap, WeakSet, Uint8Array,
          TypedArray: Object.getPrototypeOf(Int8Array), EventTarget: Object.getPrototypeOf(AbortSignal), Array,
        };
        for (const [name, Base] of Object.entries(bases)) {
          const came = Object.values(ways).map((extend) => {
            function Child() {}
            try { extend(Child, Base); } catch (error) { return error.name; }
            const child = new Child();
            return child.constructor === Child && child instanceof Base && Object.hasOwn(Child.prototype, "constructor");
          });
          // Of dates, the one that belongs to no module.
          console.log(name, ...came, Base.prototype.constructor === (name === "Date" ? globalThis.Date : Base));
        }
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 16);
    for line in &lines[..15] {
        assert!(line.ends_with(" true true true"), "{line}");
    }
    // Measured, and left out: src/realm/permits.js says why.
    assert_eq!(lines[15], "Array TypeError TypeError true");
}

/// RUN-3: the setter of a repaired property changes nothing that two modules share, whatever it is called on.
#[test]
fn a_repaired_property_of_an_intrinsic_stays_as_it_is() {
    let source = r#"
        const attempt = (call) => { try { call(); return "done"; } catch (error) { return error.name; } };
        const setters = [];
        for (const owner of [Object.prototype, Map.prototype, Promise.prototype, Object.getPrototypeOf(Int8Array.prototype), Error.prototype]) {
          const { set } = Object.getOwnPropertyDescriptor(owner, "constructor");
          setters.push(attempt(() => { owner.constructor = 1; }), attempt(() => set.call(owner, 1)), attempt(() => set.call(undefined, 1)),
            attempt(() => set.call(Array.prototype, 1)), attempt(() => set.call(Object.freeze({}), 1)));
        }
        console.log([...new Set(setters)].join(), Object.prototype.constructor === Object, Map.prototype.constructor === Map);
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    assert_eq!(ran.out, "TypeError true true\n");
}
