// The `log` capability of guests.
({ Capability, calls, characters, data }) => {
  const record = (log, level, message, fields) => {
    const copied = fields === undefined ? null : data(fields, "fields");
    if (copied !== null && (typeof copied !== "object" || Array.isArray(copied) || ArrayBuffer.isView(copied))) {
      throw new TypeError("fields must be an object, such as { user: 7 }");
    }
    calls.write(log, level, characters(message, "message"), copied);
  };

  class Log extends Capability {
    /** Each method writes a record: a message, and an object with fields. */
    debug(message, fields = undefined) {
      record(this, "debug", message, fields);
    }
    info(message, fields = undefined) {
      record(this, "info", message, fields);
    }
    warn(message, fields = undefined) {
      record(this, "warn", message, fields);
    }
    error(message, fields = undefined) {
      record(this, "error", message, fields);
    }
  }
  return { capability: Log };
}
