"""datefeatures: dates and times as the numbers that people read off them.

All of them follow from the local time in microseconds. Neighbours: `features` beside this folder has other column operators.
"""

from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import missing_mask, new_frame
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import flag
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]
PARTS = (
    *("year", "quarter", "month", "week_of_year", "day_of_year", "day_of_month", "day_of_week", "hour", "minute", "second"),
    *("is_day", "is_month_start", "is_month_end", "is_quarter_start", "is_quarter_end", "is_year_start", "is_year_end"),
    "is_leap_year",
)
OF_TIMES = ("hour", "minute", "second", "is_day")
CYCLES = ("month", "week_of_year", "day_of_year", "day_of_month", "day_of_week", "hour", "minute", "second")
FROM_ONE = ("month", "week_of_year", "day_of_year", "day_of_month")


@po.add("datefeatures")
@operator
class DateFeatures(Preprocess):
    """Replace dates and times by numbers: `<column>.year`, `.quarter`, …; those that begin with `is_` are 0 or 1.

    Each part can be left out. Weeks are those of ISO 8601, days of the week begin with Sunday (1), day is from 6 to 20 o'clock;
    dates have no hour, minute, second and is_day. cyclic: also sine and cosine of the parts that come back, `<column>.month_sin`.
    keep_date_var: keep the column itself. Missing dates give missing numbers. Times are those of the column's own time zone.

    >>> from datetime import date
    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"d": [date(2024, 2, 29), date(2023, 1, 1)], "y": [0, 1]}, target="y")
    >>> po("datefeatures").train([task])[0][0].data(columns=["d.year", "d.day_of_year"]).rows()
    [(2024.0, 60.0), (2023.0, 1.0)]
    """

    kinds: ClassVar[tuple[str, ...]] = ("datetime",)

    keep_date_var: bool = flag(False)
    cyclic: bool = flag(False)
    year: bool = flag(True)
    quarter: bool = flag(True)
    month: bool = flag(True)
    week_of_year: bool = flag(True)
    day_of_year: bool = flag(True)
    day_of_month: bool = flag(True)
    day_of_week: bool = flag(True)
    hour: bool = flag(True)
    minute: bool = flag(True)
    second: bool = flag(True)
    is_day: bool = flag(True)
    is_month_start: bool = flag(False)
    is_month_end: bool = flag(False)
    is_quarter_start: bool = flag(False)
    is_quarter_end: bool = flag(False)
    is_year_start: bool = flag(False)
    is_year_end: bool = flag(False)
    is_leap_year: bool = flag(False)

    def apply(self, frame: Frame, state: Any) -> Frame:
        wanted = [part for part in PARTS if getattr(self, part)]
        if not wanted:
            return frame
        made: dict[str, Values] = {}
        for column in frame.iter_columns():
            parts, cycles = _parts(column)
            has = [part for part in wanted if part in parts]
            made |= {f"{column.name}.{part}": parts[part] for part in has}
            for part in has if self.cyclic else ():
                if part in CYCLES:
                    angle = 2 * np.pi * (parts[part] - (part in FROM_ONE)) / cycles[part]
                    made |= {f"{column.name}.{part}_sin": np.sin(angle), f"{column.name}.{part}_cos": np.cos(angle)}
        new = new_frame(made, like=frame)
        return frame.with_columns(*new.iter_columns()) if self.keep_date_var else new


def _local(column: Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Microseconds since 1970 on the clock of the column's own zone, and where they are missing."""
    if getattr(column.dtype, "time_zone", None):
        column = column.dt.replace_time_zone(None)
    ticks = column.cast(nw.Datetime("us")).dt.timestamp("us")
    return ticks.fill_null(0).to_numpy().astype(np.int64), missing_mask(column)


def _parts(column: Series) -> tuple[dict[str, Values], dict[str, Any]]:
    """Every part of each date, NaN where it is missing, and how long the cycles are."""
    ticks, holes = _local(column)
    days, clock = np.divmod(ticks, 86_400_000_000)
    calendar, cycles = _calendar(days)
    hour = clock // 3_600_000_000
    times = {"hour": hour, "minute": clock // 60_000_000 % 60, "second": clock // 1_000_000 % 60}
    found = {**calendar, **times, "is_day": (hour >= 6) & (hour <= 20)}
    none = OF_TIMES if column.dtype == nw.Date else ()
    parts = {name: np.where(holes, np.nan, values.astype(np.float64)) for name, values in found.items() if name not in none}
    return parts, {**cycles, "hour": 24, "minute": 60, "second": 60}


def _calendar(days: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the calendar says of days since 1970, and how long its cycles are."""
    dates = days.astype("datetime64[D]")
    years, months = dates.astype("datetime64[Y]"), dates.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    of_year, of_month = _since(years, dates) + 1, _since(months, dates) + 1
    length, days_of_year = _since(months, months + 1), _since(years, years + 1)
    weekday = (days + 3) % 7  # Monday is 0; 1970-01-01 was a Thursday
    thursday = (days - weekday + 3).astype("datetime64[D]")
    begins, ends = of_month == 1, of_month == length
    found = {
        "year": years.astype(np.int64) + 1970,
        "quarter": (month - 1) // 3 + 1,
        "month": month,
        "week_of_year": _since(thursday.astype("datetime64[Y]"), thursday) // 7 + 1,
        "day_of_year": of_year,
        "day_of_month": of_month,
        "day_of_week": (weekday + 1) % 7 + 1,
        "is_month_start": begins,
        "is_month_end": ends,
        "is_quarter_start": begins & (month % 3 == 1),
        "is_quarter_end": ends & (month % 3 == 0),
        "is_year_start": of_year == 1,
        "is_year_end": of_year == days_of_year,
        "is_leap_year": days_of_year == 366,
    }
    last = (years + 1).astype("datetime64[D]").astype(np.int64) - 1
    weeks = (days_of_year + 6 - (last + 4) % 7) // 7
    cycles = {"month": 12, "day_of_week": 7, "week_of_year": weeks, "day_of_year": days_of_year, "day_of_month": length}
    return found, cycles


def _since(start: Any, until: Any) -> Any:
    """Days from a month, year or day to another."""
    return (until.astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.int64)
