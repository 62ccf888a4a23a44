"""Words that every text has and that tell no story, of the languages most sources are written in. Pure.

How rare a word is among a week's articles says the same once there are many; a small newsroom has ten.
"""

from __future__ import annotations

_BY_LANGUAGE = (
    # English
    """a about after again all also am an and any are as at be because been before being between both but by can could
    did do does during each few for from further had has have he her here him his how i if in into is it its just more
    most my new no not now of off on once one only or other our out over own s said same say says she should so some
    such t than that the their them then there these they this those through to too two under until up us very was we
    were what when where which while who whom why will with would you your""",
    # German
    """aber als am an auch auf aus bei bin bis da dann das dass dem den der des die doch du durch ein eine einem einen
    einer er es für gegen hat ich ihr im in ist ja kann man mit nach nicht noch nur oder ohne sein seine sich sie sind
    so und um uns vom von vor war was weil wenn werden wie wir wird wurde zu zum zur über""",
    # French
    """au aux avec ce ces cette d dans de des du elle en est et eux il ils j je l la le les leur lui ma mais me même mes
    n ne nos notre nous on ont ou où par pas plus pour qu que qui s sa se ses son sont sous sur ta un une vos votre
    vous y à été être""",
    # Spanish, Portuguese, Italian
    """al ante como con contra cuando del desde donde el ella ellos en entre era es esta este ha hasta la las lo los más
    mi muy no nos o para pero por que se sin sobre son su sus también un una uno y ya
    ao aos as até com da das do dos e ela ele em mais mas na nas não no nos os ou para pela pelo por quando são se sem
    seu sua também um uma à é
    ad agli ai al alla alle anche che chi con da dai dal dalla degli dei del della delle di dove e ed gli ha hanno i il
    in io la le lo ma nei nel nella non o per più quando questo se si sono su sul sulla tra un una è""",
    # Dutch, Swedish, Danish, Norwegian
    """aan als bij dan dat de deze die dit door een en er het hij ik in is je kan maar met naar niet nog nu of om onder
    ook op over te tot uit van voor was wat we wel werd wordt ze zich zij zijn zo
    att av de den det du efter ej eller en ett från för har hon i inte jag kan med men mot när och om på sig som till
    under var vi vid än är
    af at blev da dem den der det er et fra han hun i ikke jeg men og også på sig skal som til ud var ved vi etter mot
    å""",
    # Polish, Czech
    """a aby ale bo by być co czy dla do go i ich ile im jak jako je jego jej jest już które który lub ma na nad nie o
    od po pod przed przez przy się są ta tak także to tylko w we z za ze że
    ale ani aby co do ho i jak je jeho její jen jsou k které který ma mezi na nebo o od po pod pro při s se si tak to u
    v ve z za že""",
    # Russian, Ukrainian
    """а без был бы в во для до его ее если еще же за и из или их к как ко когда кто ли на не него но о об однако он она
    они от по после при с со так также то только у что это я
    або але був в від від для до з за зі й його її із і та на не по про під у це що як який""",
)  # fmt: skip
COMMON_WORDS = frozenset(word for words in _BY_LANGUAGE for word in words.split())
