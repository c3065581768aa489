// npm: stripe@23.1.0
// grants: clock = "never"
// grants: random = "seeded"
// prints: POST https://api.stripe.com/v1/customers email=customer%40example.com
// prints: cus_1 customer@example.com
import Stripe from "stripe";

const stripe = new Stripe("sk_test_key", {
  maxNetworkRetries: 0,
  telemetry: false,
  httpClient: Stripe.createFetchHttpClient(async (url, init) => {
    console.log(init.method, String(url), init.body);
    return Response.json({ id: "cus_1", object: "customer", email: "customer@example.com" });
  }),
});
const customer = await stripe.customers.create({ email: "customer@example.com" });
console.log(customer.id, customer.email);
