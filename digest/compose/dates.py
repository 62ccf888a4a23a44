"""The names of days of the week and months, as texts in many languages have them (by CLDR). Pure.

They are kept here, folded, since asking Babel for those of every language takes longer than reading a week's texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Hebrew has no days: each of its names begins with the same word, and that is "day".
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "nb", "fi", "cs", "ru", "uk", "tr", "ar", "he")

_DAYS = (
    """monday montag lundi lunes lunedì segunda maandag poniedziałek måndag mandag maanantaina pondělí понедельник
    понеділок pazartesi الاثنين""",
    """tuesday dienstag mardi martes martedì terça dinsdag wtorek tisdag tirsdag tiistaina úterý вторник вівторок
    salı الثلاثاء""",
    """wednesday mittwoch mercredi miércoles mercoledì quarta woensdag środa onsdag keskiviikkona středa среда
    середа çarşamba الأربعاء""",
    """thursday donnerstag jeudi jueves giovedì quinta donderdag czwartek torsdag torstaina čtvrtek четверг четвер
    perşembe الخميس""",
    """friday freitag vendredi viernes venerdì sexta vrijdag piątek fredag perjantaina pátek пятница пʼятниця cuma
    الجمعة""",
    """saturday samstag samedi sábado sabato zaterdag sobota lördag lørdag lauantaina суббота субота cumartesi
    السبت""",
    """sunday sonntag dimanche domingo domenica zondag niedziela söndag søndag sunnuntai neděle воскресенье неділя
    pazar الأحد""",
)  # fmt: skip
_MONTHS = (
    """january januar janvier enero gennaio janeiro januari stycznia tammikuuta ledna января січня ocak يناير ינואר""",
    """february februar février febrero febbraio fevereiro februari lutego helmikuuta února февраля лютого şubat
    فبراير פברואר""",
    """march märz mars marzo março maart marca marts maaliskuuta března марта березня mart مارس מרץ""",
    """april avril abril aprile kwietnia huhtikuuta dubna апреля квітня nisan أبريل אפריל""",
    """may mai mayo maggio maio mei maja maj toukokuuta května мая травня mayıs مايو מאי""",
    """june juni juin junio giugno junho czerwca kesäkuuta června июня червня haziran يونيو יוני""",
    """july juli juillet julio luglio julho lipca heinäkuuta července июля липня temmuz يوليو יולי""",
    """august août agosto augustus sierpnia augusti elokuuta srpna августа серпня ağustos أغسطس אוגוסט""",
    """september septembre septiembre settembre setembro września syyskuuta září сентября вересня eylül سبتمبر
    ספטמבר""",
    """october oktober octobre octubre ottobre outubro października lokakuuta října октября жовтня ekim أكتوبر
    אוקטובר""",
    """november novembre noviembre novembro listopada marraskuuta listopadu ноября листопада kasım نوفمبر נובמבר""",
    """december dezember décembre diciembre dicembre dezembro grudnia desember joulukuuta prosince декабря грудня
    aralık ديسمبر דצמבר""",
)  # fmt: skip


def _bits(names: Sequence[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate(names):
        for name in line.split():
            found[name] = found.get(name, 0) | 1 << number
    return found


DAYS = _bits(_DAYS)  # Monday is bit 0
MONTHS = _bits(_MONTHS)  # January is bit 0; a name that is another month elsewhere has both bits
