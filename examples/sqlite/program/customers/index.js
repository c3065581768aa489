// The customers of the shop. This package may read the table `customers`, and nothing else.
import { sql } from "cap:self";

export const customers = () => sql.query("shop", "SELECT id, name FROM customers ORDER BY name");

/** Tries to delete all orders. */
export const deleteOrders = () => sql.execute("shop", "DELETE FROM orders");
