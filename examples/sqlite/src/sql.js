// The `sql` capability of guests.
({ Capability, calls, characters, data, options, until }) => {
  const { isArray } = Array;

  // Returns a copy of the parameters. Their texts are checked like other texts.
  const values = (parameters) => {
    if (parameters === undefined) return [];
    if (!isArray(parameters)) throw new TypeError("parameters must be an array");
    const copy = data(parameters, "parameters");
    for (let at = 0; at < copy.length; at++) if (typeof copy[at] === "string") characters(copy[at], "a parameter");
    return copy;
  };

  const call = async (method, sql, database, text, parameters, bag) => {
    const { signal } = options(bag, ["signal"]);
    const given = [characters(database, "database"), characters(text, "the statement"), values(parameters)];
    return signal === undefined ? await method(sql, ...given) : await until(signal, method, sql, ...given);
  };

  class Databases extends Capability {
    /** Returns the rows of a statement: objects with a property for each column. */
    async query(database, text, parameters, bag) {
      return await call(calls.query, this, database, text, parameters, bag);
    }
    /** Executes a statement without rows. Returns the number of changed rows. */
    async execute(database, text, parameters, bag) {
      return await call(calls.execute, this, database, text, parameters, bag);
    }
  }
  return { capability: Databases };
}
