// The `notes` capability of guests.
({ Capability, calls, characters }) => {
  class Notes extends Capability {
    /** Returns the text of a note, or undefined if there is none. */
    read(name) {
      return calls.read(this, characters(name, "name")) ?? undefined;
    }
    /** Creates or replaces a note. */
    write(name, text) {
      calls.write(this, characters(name, "name"), characters(text, "text"));
    }
    /** Returns the names of the notes that may be read. */
    list() {
      return calls.list(this);
    }
  }
  return { capability: Notes };
}
