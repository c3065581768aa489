// npm: stripe@23.1.0
// prints: invoice.paid
import Stripe from "stripe";

const stripe = new Stripe("sk_test_key");
const payload = JSON.stringify({ id: "evt_1", object: "event", type: "invoice.paid" });
const secret = "whsec_test";
const header = await stripe.webhooks.generateTestHeaderStringAsync({ payload, secret, timestamp: 1 });
const provider = Stripe.createSubtleCryptoProvider();
const event = await stripe.webhooks.constructEventAsync(payload, header, secret, 300, provider, 2000);
console.log(event.type);
