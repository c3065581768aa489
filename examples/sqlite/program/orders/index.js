// The orders of the shop. This package holds the table `orders` and no other.
import { sql } from "cap:self";

export const ordersOf = (customer) =>
  sql.query("shop", "SELECT id, item, cents FROM orders WHERE customer = ? ORDER BY id", [customer]);

export const addOrder = (customer, item, cents) =>
  sql.execute("shop", "INSERT INTO orders (customer, item, cents) VALUES (?, ?, ?)", [customer, item, cents]);

/** Tries to read the addresses of the customers beside their orders. */
export const ordersWithAddresses = () =>
  sql.query("shop", "SELECT item, email FROM orders JOIN customers ON customers.id = orders.customer");
