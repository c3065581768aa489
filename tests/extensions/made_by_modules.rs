//! Capabilities that modules make.

use crate::support::{Scene, manifest};

/// RUN-100: a capability that a module makes has its methods and nothing else.
#[test]
fn a_capability_of_a_module_reveals_nothing_of_what_it_holds() {
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(
                &["fs.read=./data/**", "fs.write=./data/**"],
                "[imports]\nlogger = \"./logger/\"\nuser = \"./user/\"\n[packages.logger.grants]\nfs.write = [\"./data/log\"]\n",
            ),
        )
        .file("data/log", "")
        .file(
            "logger/index.js",
            "import { fs, defineCapability } from 'cap:self';
            const { make, is } = defineCapability('Logger', (limit) => {
              let left = limit;
              const write = async function (line) {
                if (left-- <= 0) throw new RangeError('no lines are left');
                await fs.writeTextFile('data/log', `${line}\\n`, { append: true });
                return { left, self: this };
              };
              write.inner = fs;
              return { write };
            });
            export { make, is };
            export const forge = defineCapability('Logger', () => ({ write() {} })).make;",
        )
        .file(
            "user/index.js",
            "import { fs as own } from 'cap:self';
            export default async (logger) => {
              const seen = new Set();
              const walk = (value) => {
                if ((typeof value !== 'object' || value === null) && typeof value !== 'function' || seen.has(value)) return;
                seen.add(value);
                if (typeof value.writeTextFile === 'function') console.log('leaked');
                walk(Object.getPrototypeOf(value));
                for (const key of Reflect.ownKeys(value)) {
                  const { value: held, get } = Object.getOwnPropertyDescriptor(value, key);
                  walk(held); walk(get);
                }
              };
              walk(logger);
              const result = await logger.write('one');
              walk(result);
              console.log(result.left, result.self, Object.isFrozen(logger), String(logger.write).includes('writeTextFile'), logger.write.inner, logger.write.name);
              try { await logger.write.call(own, 'two'); await logger.write('three'); } catch (error) { console.log(error.message); walk(error); }
              try { logger.write = () => {}; } catch (error) { console.log(error.name); }
              try { logger.constructor.constructor('return this')(); } catch (error) { console.log(error.name); }
              try { await own.writeTextFile('data/log', 'x'); } catch (error) { console.log(error.code); }
            };",
        )
        .file(
            "main.js",
            "import { make, is, forge } from 'logger';
            import use from 'user';
            import { fs, defineCapability } from 'cap:self';
            const logger = make(2);
            await use(logger);
            const copy = Object.create(logger);
            console.log([logger, copy, new Proxy(logger, {}), { ...logger }, forge(), null, undefined, 1].map(is).join());
            console.log(await fs.readTextFile('data/log'), Object.prototype.toString.call(logger));
            for (const methods of [{ get write() { return 1; } }, { value: 1 }, { [Symbol('s')]() {} }, null]) {
              try { defineCapability('Bad', () => methods).make(); } catch (error) { console.log(error.name); }
            }
            try { defineCapability('Bad'); } catch (error) { console.log(error.name); }",
        );
    let ran = scene.run(&[]).completed();
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            "[user/index.js] 1 undefined true false undefined write",
            "[user/index.js] no lines are left",
            "[user/index.js] TypeError",
            "[user/index.js] TypeError",
            "[user/index.js] denied",
            "true,false,false,false,false,false,false,false",
            "one",
            "two",
            " [object Logger]",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
        ],
        "{}",
        ran.err
    );
}
