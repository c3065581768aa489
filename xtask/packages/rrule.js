// npm: rrule@2.8.1
// prints: 2012-02-03T10:30:00.000Z,2012-03-05T10:30:00.000Z every 5 weeks on Monday, Friday until December 31, 2012
// prints: 5
import * as rrule from "rrule";

const { RRule, rrulestr } = rrule.default ?? rrule;

const rule = new RRule({
  freq: RRule.WEEKLY,
  interval: 5,
  byweekday: [RRule.MO, RRule.FR],
  dtstart: new Date(Date.UTC(2012, 1, 1, 10, 30)),
  until: new Date(Date.UTC(2012, 11, 31)),
});
console.log(rule.all().slice(0, 2).map((date) => date.toISOString()).join(), rule.toText());
console.log(rrulestr("DTSTART:20120201T023000Z\nRRULE:FREQ=MONTHLY;COUNT=5").all().length);
