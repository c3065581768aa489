import { clock, env, fs, kv, random, net } from 'cap:self'; const rest = () => new Promise((r) => setTimeout(r, 0));
for(let n=0;;n++){ clock.revocable(); if (n % 1000 === 999) await rest(); }