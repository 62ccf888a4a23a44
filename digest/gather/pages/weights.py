"""What each kind of evidence is worth, field by field: the table that decides between clues."""

from __future__ import annotations

TITLE = {
    "ld.headline": 90, "meta.og:title": 85, "item.headline": 84, "h1.headline": 70, "meta.parsely-title": 80,
    "meta.sailthru.title": 80, "meta.dc.title": 86, "meta.dc:title": 87, "meta.dcterm:title": 86,
    "meta.dcterms.title": 86, "meta.twitter:title": 78,
    "meta.hdl": 79, "meta.citation_title": 88, "meta.headline": 75, "meta.bt:headline": 75,
    "meta.weibo:article:title": 72, "meta.weibo:webpage:title": 72, "h1.only": 60, "title": 50, "ld.name": 45, "h1": 40,
    "class.headline": 35, "meta.title": 48, "meta.fb_title": 40, "item.name": 30, "h2": 10,
}  # fmt: skip
AUTHOR = {
    "ld": 100, "meta.parsely-author": 90, "meta.sailthru.author": 88, "meta.author": 69, "meta.byl": 85,
    "meta.citation_author": 86, "meta.dc.creator": 90, "meta.dc:creator": 91, "meta.dcterm:creator": 90,
    "meta.dcterms.creator": 90, "meta.article:author": 78, "meta.article:author_name": 84,
    "meta.article-author": 80, "meta.bt:author": 80, "meta.rbauthors": 80, "meta.og:author": 70,
    "meta.cxenseparse:author": 82, "meta.authors": 79, "meta.creator": 60,
    "meta.shareaholic:article_author_name": 78, "meta.twitter:data": 68, "item.author": 82, "rel.author": 74,
    "class.name": 72, "class.byline": 70, "data.author": 50, "link.author": 73, "address": 40, "text.by": 45,
    "class.user": 35, "rel.author.far": 44, "class.name.far": 43, "link.author.far": 36, "class.byline.far": 38,
    "text.by.far": 34, "ld:other": 42, "ld:page": 30, "meta.dc.contributor": 20,
}  # fmt: skip
DATE = {
    "ld.datePublished": 100, "meta.article:published_time": 95, "meta.og:published_time": 92,
    "meta.og:article:published_time": 92, "item.datepublished": 90, "meta.datepublished": 88,
    "meta.parsely-pub-date": 94, "meta.sailthru.date": 90, "meta.dc.date.issued": 88, "meta.dcterms.issued": 88,
    "meta.dc.date": 80, "meta.dcterms.date": 80, "meta.dc:date": 80, "meta.dc:created": 80,
    "meta.dcterms.created": 84, "meta.dc.date.created": 84, "meta.citation_publication_date": 86,
    "meta.citation_date": 84, "meta.publication_date": 84, "meta.publishdate": 84, "meta.publish-date": 84,
    "meta.publish_date": 84, "meta.published-date": 84, "meta.published_date": 84, "meta.pubdate": 84,
    "meta.bt:pubdate": 84, "meta.og:pubdate": 82, "meta.article:post_date": 84, "meta.article_date_original": 88,
    "meta.originalpublicationdate": 88, "meta.cxenseparse:recs:publishtime": 86, "meta.rnews:datepublished": 86,
    "meta.shareaholic:article_published_time": 84, "meta.ptime": 80, "meta.pdate": 80, "meta.displaydate": 82,
    "meta.date": 78, "meta.vr:published_time": 82, "meta.gwa_contentdate": 80, "meta.article.published": 86,
    "meta.article.created": 80, "meta.article-publication-date": 84, "meta.publish": 70, "item.datecreated": 70,
    "meta.created": 70, "meta.datecreated": 72, "ld.dateCreated": 74, "ld:page.datePublished": 72,
    "time.published": 76, "time": 66, "class.published": 67, "class.date": 60, "dateline": 51, "class.updated": 33,
    "sentence": 30, "abbr": 52, "address": 64, "ld.uploadDate": 50, "ld:other.datePublished": 48,
    "meta.article:modified_time": 44, "meta.og:updated_time": 42, "ld.dateModified": 43, "item.datemodified": 41,
    "meta.datemodified": 40, "time.updated": 39, "meta.dateupdate": 38, "meta.lastmodified": 37,
    "meta.last-modified": 36, "meta.revised": 35, "ld:page.dateModified": 34, "text": 56, "time.far": 46,
}  # fmt: skip
IMAGE = {
    "meta.og:image": 100, "meta.og:image:url": 98, "meta.og:image:secure_url": 96, "meta.twitter:image": 90,
    "meta.twitter:image:src": 90, "meta.sailthru.image.full": 86, "ld.image": 84, "meta.parsely-image-url": 82,
    "ld.thumbnailUrl": 70, "meta.sailthru.image": 70, "link.image_src": 80, "item.image": 60, "meta.image": 58,
    "meta.thumbnail": 50, "meta.thumbnailurl": 50, "item.thumbnailurl": 48, "ld:page.primaryImageOfPage": 46,
    "ld:page.image": 44, "body.img": 30,
}  # fmt: skip
IMAGE_ALT = {"meta.og:image:alt": 90, "meta.twitter:image:alt": 80}
DESCRIPTION = {
    "meta.og:description": 90, "meta.dc.description": 88, "meta.dc:description": 88, "meta.dcterm:description": 88,
    "meta.dcterms.description": 88, "ld.description": 80, "meta.description": 84, "meta.twitter:description": 78,
    "item.description": 60, "meta.sailthru.description": 76, "meta.parsely-summary": 70,
    "meta.weibo:article:description": 60, "meta.weibo:webpage:description": 60, "ld:page.description": 40,
}  # fmt: skip
SECTION = {
    "ld.articleSection": 90, "meta.article:section": 95, "meta.parsely-section": 85, "meta.og:section": 80,
    "meta.sailthru.section": 70, "item.articlesection": 75, "meta.articlesection": 75,
    "meta.cxenseparse:recs:category": 60,
}  # fmt: skip
LANGUAGE = {
    "html.lang": 90, "ld.inLanguage": 80, "meta.og:locale": 70, "meta.content-language": 75, "meta.dc.language": 72,
    "meta.dc:language": 72, "meta.dcterms.language": 72, "meta.inlanguage": 70, "meta.language": 65,
    "item.inlanguage": 64,
}  # fmt: skip
CANONICAL = {"link.canonical": 100, "meta.og:url": 80, "ld": 60, "meta.twitter:url": 50}
SITE = {
    "meta.og:site_name": 100, "ld": 80, "meta.application-name": 70, "meta.publisher": 60, "meta.cre": 65,
    "meta.twitter:app:name:iphone": 40, "meta.al:ios:app_name": 40,
}  # fmt: skip
