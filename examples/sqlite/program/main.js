// Prints the orders of each customer, and two attempts of packages to use tables that they do not hold.
import { customers, deleteOrders } from "customers";
import { addOrder, ordersOf, ordersWithAddresses } from "orders";

const attempt = async (what, call) => {
  try {
    await call();
    console.log(`${what}: done`);
  } catch (error) {
    console.log(`${what}: ${error.message}`);
  }
};

export default async function main() {
  const [first] = await customers();
  console.log(`${await addOrder(first.id, "shelf", 7900)} order added`);
  for (const { id, name } of await customers()) {
    const orders = await ordersOf(id);
    console.log(`${name}: ${orders.map(({ item, cents }) => `${item} ${cents / 100}`).join(", ")}`);
  }
  await attempt("orders reads customers", ordersWithAddresses);
  await attempt("customers deletes orders", deleteOrders);
}
