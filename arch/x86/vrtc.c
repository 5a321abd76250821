// SPDX-License-Identifier: Apache-2.0
// The real-time clock's model. See vrtc.h.
#include "arch/x86/vrtc.h"

enum { RTC_SECONDS = 0, RTC_MINUTES = 2, RTC_HOURS = 4, RTC_DAY_OF_WEEK = 6, RTC_DAY_OF_MONTH = 7, RTC_MONTH = 8 };
enum { RTC_YEAR = 9, RTC_REGISTER_A = 10, RTC_REGISTER_B = 11, RTC_REGISTER_D = 13, RTC_INDEX_MASK = 0x7f };
enum { REGISTER_A_32768_HZ = 0x26 }; // divider 010, rate 0110, as a PC has it; UIP clear
enum { REGISTER_B_24_HOURS = 1 << 1, REGISTER_D_VALID = 1 << 7 };
enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, YEAR_DAYS = 365, CYCLE_DAYS = 4 * YEAR_DAYS + 1 };

struct date {
    unsigned year, month, day;
};

// In years that begin in March the leap day is the last one, and months of 31, 30, 31, 30, 31 days repeat: 153 each five.
// Day 0 is 1 March 1968.
static struct date date_of(uint64_t days) {
    uint64_t since = days + 306 + YEAR_DAYS;
    unsigned in_cycle = (unsigned)(since % CYCLE_DAYS), year = MIN(in_cycle / YEAR_DAYS, 3u);
    unsigned in_year = in_cycle - year * YEAR_DAYS, month = (5 * in_year + 2) / 153;

    return (struct date){
        .year = 1968 + (unsigned)(since / CYCLE_DAYS * 4) + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = in_year - (153 * month + 2) / 5 + 1,
    };
}

static uint8_t bcd(uint64_t value) { return (uint8_t)(value / 10 % 10 << 4 | value % 10); }

static uint8_t read(void *device, unsigned offset) {
    struct vrtc *rtc = device;
    uint64_t seconds = rtc->seconds(rtc->context);
    uint64_t time = seconds - rtc->sample <= 1 ? rtc->sample : seconds, days = time / DAY;

    if (offset == 0) { return UINT8_MAX; }
    switch (rtc->index) {
    case RTC_SECONDS: return bcd(time % MINUTE);
    case RTC_MINUTES: return bcd(time % HOUR / MINUTE);
    case RTC_HOURS: return bcd(time % DAY / HOUR);
    case RTC_DAY_OF_WEEK: return bcd((days + 4) % 7 + 1); // Sunday is 1
    case RTC_DAY_OF_MONTH: return bcd(date_of(days).day);
    case RTC_MONTH: return bcd(date_of(days).month);
    case RTC_YEAR: return bcd(date_of(days).year);
    case VRTC_CENTURY: return bcd(date_of(days).year / 100);
    case RTC_REGISTER_A: rtc->sample = seconds; return REGISTER_A_32768_HZ;
    case RTC_REGISTER_B: return REGISTER_B_24_HOURS;
    case RTC_REGISTER_D: return REGISTER_D_VALID;
    default: return 0;
    }
}

static int write(void *device, unsigned offset, uint8_t value) {
    struct vrtc *rtc = device;

    if (offset == 0) { rtc->index = value & RTC_INDEX_MASK; }
    return OK;
}

const struct port_ops vrtc_ops = {read, write};
