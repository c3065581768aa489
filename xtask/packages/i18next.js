// npm: i18next@26.7.2
// prints: hello Ann 1 item 5 items
// prints: hallo Ann
import i18next from "i18next";

await i18next.init({
  lng: "en",
  resources: {
    en: { translation: { key: "hello {{who}}", item_one: "{{count}} item", item_other: "{{count}} items" } },
    de: { translation: { key: "hallo {{who}}" } },
  },
});
console.log(i18next.t("key", { who: "Ann" }), i18next.t("item", { count: 1 }), i18next.t("item", { count: 5 }));
await i18next.changeLanguage("de");
console.log(i18next.t("key", { who: "Ann" }));
