// The `clock` capability of guests, and the free names that read the time.
({ Capability, calls, bound, makeDate, makeIntl, isQuickJs }) => {
  const { now } = calls;

  class Clock extends Capability {
    /** Returns the milliseconds since the Unix epoch, rounded down to the granted resolution. */
    now() {
      return now(this);
    }
  }

  // Creates `performance`. As https://w3c.github.io/hr-time/ requires, `now()` never goes back. It starts at the
  // module's first access.
  const makePerformance = (clock) => {
    const time = bound(now, clock);
    let origin;
    let latest = 0;
    const begin = () => origin ??= time();
    return {
      now() {
        const begun = begin();
        const elapsed = time() - begun;
        if (elapsed > latest) latest = elapsed;
        return latest;
      },
      get timeOrigin() {
        return begin();
      },
    };
  };

  return {
    capability: Clock,
    globals: {
      Date: (clock) => makeDate(bound(now, clock)),
      ...(isQuickJs ? {} : { Intl: (clock) => makeIntl(bound(now, clock)) }),
      performance: makePerformance,
    },
  };
}
