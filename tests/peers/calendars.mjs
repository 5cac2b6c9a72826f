// A stock reader of calendars, ical.js, finds each event at the moment at which the API has it, by the time zones that
// the calendar itself describes. Started by deploy/local/peers.sh.

import assert from 'node:assert/strict'
import ICAL from 'ical.js'

import { api } from './service.mjs'

const base = new URL('/v1', process.env.LOTI_METADATA).href
const administrator = api(process.env.LOTI_ADMIN_TOKEN)

const organisation = await administrator('POST', '/organisations', 201, {
    kind: 'local_authority',
    name: 'Borough of ical.js',
})
const network = await administrator('POST', '/networks', 201, {
    name: 'Readers of ical.js',
    organisation: organisation.id,
})
for (const [timeZone, startTime] of [['Europe/London', '18:00'], ['America/New_York', '09:30']]) {
    await administrator('POST', `/networks/${network.id}/series`, 201, {
        title: `Meeting in ${timeZone}`,
        kind: 'meeting',
        startsOn: '2026-01-01',
        startTime,
        durationMinutes: 60,
        timeZone,
        rrule: 'FREQ=MONTHLY;BYDAY=-1FR',
        bankHolidays: 'next_working_day',
        venue: { name: 'Town Hall' },
    })
}
const { items } = await administrator('GET', `/events?network=${network.id}&limit=100`, 200)
const events = new Map(items.map((event) => [event.id, event]))

const response = await fetch(`${base}/networks/${network.slug}.ics`)
assert.equal(response.status, 200)
const calendar = new ICAL.Component(ICAL.parse(await response.text()))
assert.equal(calendar.getAllSubcomponents('vtimezone').length, 2)
const offsets = new Set()
for (const part of calendar.getAllSubcomponents('vevent')) {
    const read = new ICAL.Event(part)
    const event = events.get(read.uid)
    // Its zone is the one of the calendar: nothing was registered.
    assert.notEqual(read.startDate.zone, ICAL.Timezone.localTimezone)
    assert.equal(read.startDate.toJSDate().getTime(), Date.parse(event.startsAt), JSON.stringify(event))
    assert.equal(read.endDate.toJSDate().getTime(), Date.parse(event.endsAt))
    assert.equal(part.getFirstPropertyValue('summary'), event.title)
    offsets.add(read.startDate.utcOffset())
    events.delete(read.uid)
}
assert.equal(events.size, 0, 'every event is in the calendar')
assert.equal(offsets.size, 4, 'two zones, summer and winter')
console.log(`ical.js: ${items.length} events at their moments, by the time zones of the calendar`)
