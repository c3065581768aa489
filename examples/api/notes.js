// The notes of users.
import { kv } from "cap:self";

/** Returns the notes of one user. The object can read and write no others. */
export const notesOf = (user) => {
  const prefix = `notes/${user}/`;
  const own = kv.attenuate({ read: [`${prefix}*`], write: [`${prefix}*`] });
  return {
    get: (id) => own.get(prefix + id),
    set: (id, text) => own.set(prefix + id, text),
    remove: (id) => own.delete(prefix + id),
    list: async () => {
      const ids = [];
      for await (const key of own.list({ prefix })) ids.push(key.slice(prefix.length));
      return ids;
    },
  };
};
