"""Templates: found by name, rendered in a sandbox, MJML turned into HTML, the result looked through.

Templates(template_root(), overrides)    the shipped templates, each replaced by the newsroom's own of the same name
    .text(name, context)                 email/NAME.txt.j2
    .html(name, context)                 email/NAME.mjml.j2 compiled to HTML, or email/NAME.html.j2
    .page(name, context)                 pages/NAME.html.j2
line("{{ lead.title }}", context)        one line of text typed by staff: a subject
forbidden(Document(html))                what must not be in a mail, as sentences
"""

from digest.templating.inspection import forbidden
from digest.templating.lines import line
from digest.templating.store import Templates, template_root, templates_beside

__all__ = ["Templates", "forbidden", "line", "template_root", "templates_beside"]
