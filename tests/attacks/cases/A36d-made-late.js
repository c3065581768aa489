/*---
id = "A36d"
engine = "v8"
title = "objects that are created on first use are frozen, whichever module uses them first, also near the end of the stack"
boundary = "modules"
elsewhere = "about objects that this project freezes on first use"
expect = "nothing"
audit = []
---*/
// What segments inherit from is made when somebody first asks for some.
const made = () => new Intl.Segmenter().segment("a b");

/** Calls it from the deepest frame there is upwards, until it works. */
function descend(call) {
  let hasWorked = false;
  const step = () => {
    try {
      step();
    } catch {
      // Here the stack ends.
    }
    if (hasWorked) return;
    try {
      call();
      hasWorked = true;
    } catch {
      // Too deep for it.
    }
  };
  step();
  return hasWorked;
}

const shared = () => {
  const segments = made();
  const kind = Object.getPrototypeOf(segments);
  const iterator = Object.getPrototypeOf(segments[Symbol.iterator]());
  return { kind, iterator, containing: kind.containing, next: iterator.next };
};

export async function attack() {
  const segmenter = new Intl.Segmenter();
  const { segment } = segmenter;
  let receiver = {};
  const call = () => Reflect.apply(segment, receiver, ["a b"]);
  try {
    call();
  } catch {
    // It is compiled now, so that it is not the compiler for which there is too little.
  }
  receiver = segmenter;
  let gained = descend(call) ? "" : "it never works; ";
  for (const [name, value] of Object.entries(shared())) {
    if (!Object.isFrozen(value)) gained += `${name} is not frozen; `;
  }
  return gained;
}

export async function control() {
  return descend(made) && [...made()].length === 3;
}
