// npm: dayjs@1.11.23
// prints: 2019-09-01 00:00:00
// prints: true 219
import dayjs from "dayjs";

console.log(dayjs("2018-08-08").add(1, "month").startOf("month").set("year", 2019).format("YYYY-MM-DD HH:mm:ss"));
console.log(dayjs("2018-08-08").isBefore(dayjs("2018-08-09")), dayjs("2018-08-08").diff("2018-01-01", "day"));
