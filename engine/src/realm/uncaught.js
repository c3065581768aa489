// Describes uncaught errors.
//
// deno_core requests a text for each thrown value. For an object that is not an error, an engine would call a method
// of the guest, and its own text is only "[object Object]".
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { inspect } = globalThis.__web;
  const { core, ops } = secure;
  const { isNativeError } = core;
  const { reportable, clipped, isQuickJs } = secure;
  let describeError;
  const { op_set_format_exception_callback: setDescriber } = ops;
  const LARGE = 1n << 4096n;
  const described = (thrown) => {
    try {
      if (typeof thrown === "string") return `Uncaught ${clipped(thrown)}`;
      // The text of such a number would be long, and take long to make.
      if (typeof thrown === "bigint" && (thrown > LARGE || thrown < -LARGE)) return "Uncaught (a bigint of more than 1,000 digits)";
      if (typeof thrown === "symbol" && !isQuickJs) return `Uncaught Symbol(${clipped(thrown.description ?? "")})`;
      if (Object(thrown) !== thrown || isNativeError(thrown)) return describeError(thrown);
      return `Uncaught ${inspect(thrown, { depth: 2, budget: 2000 })}`;
    } catch {
      return undefined; // the stack is exhausted
    }
  };

  // deno_core reads an error that nobody has caught only after `reportable` has made its texts short.
  const { op_dispatch_exception: dispatch } = ops;
  core.setUnhandledPromiseRejectionHandler((_promise, reason) => {
    const shown = reportable(reason);
    if (shown === reason) return false;
    dispatch(shown, true);
    return true;
  });
  core.setReportExceptionCallback((error) => dispatch(reportable(error), false));

  /** Begins to describe errors, after the realm is finished. */
  secure.describe = (() => setDescriber(described));
  secure.late.push((() => {
    describeError = secure.describeErrors();
  }));
})(globalThis);
