"""Works behind the clinical instruments and tables; what was read of each is said with the statements."""

from heliotrope.evidence.model import Source

SOURCES: tuple[Source, ...] = (
    Source(
        "lundberg-2017",
        "Lundberg IE et al., EULAR/ACR classification criteria for idiopathic inflammatory myopathies, "
        "Ann Rheum Dis 2017;76:1955-1964",
        doi="10.1136/annrheumdis-2017-211468",
        other="published in parallel as doi:10.1002/art.40320; read through three reproductions of its table",
    ),
    Source(
        "lundberg-2017-tree",
        "Subclassification tree of Lundberg IE et al., Ann Rheum Dis 2017, as reproduced by the project cnurhd/cnurhd",
        other="myopathy/img/classificationtree.png, image viewed",
    ),
    Source(
        "karolinska-iim-calculator",
        "Karolinska Institutet, web calculator for the EULAR/ACR criteria, instructions",
        other="imm.ki.se/biostatistics/calculators/iim",
    ),
    Source(
        "niehs-imacs-news-2017",
        "NIEHS, IMACS news of May 2017 on the EULAR/ACR criteria",
        other="niehs.nih.gov/research/resources/imacs",
    ),
    Source(
        "bohan-peter-1975-part-1",
        "Bohan A, Peter JB, Polymyositis and dermatomyositis (first of two parts), N Engl J Med 1975;292:344-347",
        doi="10.1056/NEJM197502132920706",
        other="read through three tables that agree on the counts",
    ),
    Source(
        "bohan-peter-1975-part-2",
        "Bohan A, Peter JB, Polymyositis and dermatomyositis (second of two parts), N Engl J Med 1975;292:403-407",
        doi="10.1056/NEJM197502202920807",
        other="read through three tables that agree on the counts",
    ),
    Source(
        "mammen-2020",
        "Mammen AL et al., 239th ENMC workshop: classification of dermatomyositis, Neuromuscul Disord 2020;30:70-92",
        doi="10.1016/j.nmd.2019.10.005",
        other="no readable copy was found",
    ),
    Source(
        "err-antisynthetase-table",
        "European Respiratory Review, proposed criteria for myositis with anti-tRNA synthetase antibody (table)",
        other="err.ersjournals.com/highwire/markup/13148",
    ),
    Source(
        "asys-criteria-review",
        "Anti-synthetase syndrome: systematic literature review of proposed criteria",
        other="PMC10411341, abstract",
    ),
    Source(
        "allenbach-2018",
        "Allenbach Y et al., 224th ENMC workshop: immune-mediated necrotizing myopathies, "
        "Neuromuscul Disord 2018;28:87-99",
        doi="10.1016/j.nmd.2017.09.016",
        other="no readable copy was found",
    ),
    Source(
        "rider-2017-jdm-response",
        "Rider LG et al., ACR/EULAR criteria for clinical response in juvenile dermatomyositis, "
        "Ann Rheum Dis 2017;76:782-791",
        doi="10.1136/annrheumdis-2017-211401",
        pmid="28382787",
        other="published in parallel as doi:10.1002/art.40064; Table 3 read",
    ),
    Source(
        "niehs-response-calculator",
        "NIEHS, IMACS response criteria and calculators",
        other="niehs.nih.gov/research/resources/imacs/response_criteria",
    ),
    Source(
        "aggarwal-chandra-2020",
        "Aggarwal R, Chandra T, ACR Convergence 2020, abstract 1058",
    ),
    Source("rider-2009-core-sets", "Core set measures of IMACS and PRINTO, table", other="PMC2774891, Table 2"),
    Source(
        "imacs-form-04",
        "IMACS Form 04, manual muscle testing, scoring sheet and MMT8 procedures",
        other="procedures of 2007",
    ),
    Source("kendall-key", "Key to muscle grading after Kendall, printed in the IMACS muscle testing procedures"),
    Source(
        "lovell-1999",
        "Lovell DJ et al., Childhood Myositis Assessment Scale, Arthritis Rheum 1999;42:2213-2219",
        other="read through the scoring sheet and copies of it",
    ),
    Source(
        "quinones-2013",
        "Quinones R et al., CMAS in healthy 4-year-olds, Arthritis Care Res 2013",
        doi="10.1002/acr.22041",
    ),
    Source(
        "yassaee-2010",
        "Yassaee M et al., CDASI version 2, Br J Dermatol 2010;162:669-673",
        doi="10.1111/j.1365-2133.2009.09521.x",
        pmid="19863510",
    ),
    Source(
        "anyanwu-2015",
        "Anyanwu CO et al., CDASI severity and change, Br J Dermatol 2015;173:969-974",
        doi="10.1111/bjd.13915",
        pmid="25994337",
    ),
    Source(
        "cdasi-form",
        "Public electronic case-report form reproducing CDASI version 2",
        other="the form text, not its code, which has two errors",
    ),
    Source(
        "bode-2003",
        "Bode RK et al., Disease Activity Score for juvenile dermatomyositis, Arthritis Rheum 2003;49:7-15",
        doi="10.1002/art.10924",
    ),
    Source("j-rheumatol-ranges", "Table of ranges of myositis measures, J Rheumatol", other="table 37676"),
    Source("fries-1980", "Fries JF et al., Health Assessment Questionnaire, 1980", other="not read; from memory"),
    Source(
        "singh-1994", "Singh G et al., Childhood Health Assessment Questionnaire, 1994", other="not read; from memory"
    ),
    Source(
        "rider-2004",
        "Rider LG et al., preliminary definitions of improvement, Arthritis Rheum 2004;50:2281-2290",
        other="not read; from memory",
    ),
    Source("oddis-2013", "Oddis CV et al., Rituximab in Myositis trial, 2013", other="not read; from memory"),
    Source(
        "lazarevic-2013",
        "Lazarevic D et al., PRINTO criteria for clinically inactive JDM, Ann Rheum Dis 2013;72:686-693",
        doi="10.1136/annrheumdis-2012-201483",
        pmid="22736096",
    ),
    Source(
        "almeida-2015",
        "Almeida B et al., Published criteria for clinically inactive JDM, Arthritis Rheumatol 2015;67:2495-2502",
        doi="10.1002/art.39200",
    ),
    Source(
        "oldroyd-2023",
        "Oldroyd AGS et al., International guideline for IIM-associated cancer screening, "
        "Nat Rev Rheumatol 2023;19:805-817",
        doi="10.1038/s41584-023-01045-w",
        pmid="37945774",
        other="abstract, caption of Fig. 1, and reproductions of the panels",
    ),
    Source(
        "oldroyd-2024-correction",
        "Author correction to the IIM-associated cancer screening guideline, Nat Rev Rheumatol 2024",
        doi="10.1038/s41584-024-01111-x",
        pmid="38548933",
        other="content not seen",
    ),
    Source(
        "sae1-case-report",
        "Dermatomyositis masquerading as angioedema, case report",
        other="facts quoted in a public data set",
    ),
    Source("eular-2024-hong-kong", "Report on a cohort of 467 patients from Hong Kong, EULAR 2024"),
    Source(
        "oldroyd-2021",
        "Oldroyd AGS et al., Risk factors of cancer in myositis, meta-analysis, Rheumatology 2021;60:2615-2628",
    ),
    Source("tma-antibodies", "The Myositis Association, myositis-specific autoantibodies and clinical features"),
    Source("pmc5656106", "Autoantibodies in a UK juvenile myositis cohort", other="PMC5656106"),
    Source(
        "bellutti-enders-2017",
        "Bellutti Enders F et al., SHARE recommendations for juvenile dermatomyositis, Ann Rheum Dis 2017;76:329-340",
        doi="10.1136/annrheumdis-2016-209247",
        other="read through summaries",
    ),
    Source(
        "oldroyd-2022-bsr",
        "Oldroyd AGS et al., BSR guideline on management of IIM, Rheumatology 2022;61:1760-1768",
        doi="10.1093/rheumatology/keac115",
        other="read through summaries",
    ),
    Source(
        "hinze-2018",
        "Hinze CH et al., Treat-to-target strategies for JDM, Pediatr Rheumatol 2018;16:40",
        doi="10.1186/s12969-018-0257-6",
    ),
    Source(
        "may-2000",
        "May DA et al., Abnormal signal intensity in skeletal muscle at MR imaging, RadioGraphics 2000;20:S295-S315",
        doi="10.1148/radiographics.20.suppl_1.g00oc18s295",
        pmid="11046180",
    ),
    Source(
        "smitaman-2018",
        "Smitaman E et al., MR imaging of atraumatic muscle disorders, RadioGraphics 2018;38:500-522",
        doi="10.1148/rg.2017170112",
    ),
    Source(
        "kattapuram-2005",
        "Kattapuram TM et al., Idiopathic and diabetic skeletal muscle necrosis, Skeletal Radiol 2005;34:203-209",
    ),
    Source("carr-calcifications", "Carr RB, Soft tissue calcifications", other="thoracickey.com"),
    Source(
        "isr-tropical-29", "International Society of Radiology, tropical diseases, chapter 29", other="isradiology.org"
    ),
    Source("radiology-key-soft-tissue", "Radiology Key, soft tissue imaging"),
    Source("roentgen-ray-reader", "Roentgen Ray Reader, soft tissue calcifications"),
    Source("eurorad-8744", "Eurorad case 8744, calcinosis cutis in dermatomyositis"),
    Source(
        "hoeltzel-2014",
        "Hoeltzel MF et al., Calcinosis in JDM, Curr Rheumatol Rep 2014;16:467",
        doi="10.1007/s11926-014-0467-y",
        pmid="25366934",
    ),
    Source(
        "calcinosis-chapter",
        "Calcinosis in Dermatomyositis (book chapter)",
        other="978-3-540-79313-7_17, abstract",
    ),
    Source(
        "blane-1984",
        "Blane CE et al., Patterns of calcification in childhood dermatomyositis, AJR 1984;142:397-400",
        other="not read; patterns confirmed elsewhere",
    ),
    Source(
        "chung-2015",
        "Chung L et al., Radiographic scoring of hand calcinosis in SSc, Arthritis Care Res 2015;67:425-430",
        doi="10.1002/acr.22434",
    ),
    Source(
        "ohdsi-myositis", "OHDSI MyositisNetworkStudy, concept sets", other="github ohdsi-studies/MyositisNetworkStudy"
    ),
    Source("mondo", "MONDO disease ontology, mappings", other="github monarch-initiative/mondo, commit fad2512b"),
    Source("hpo", "Human Phenotype Ontology, English labels of the release 2023-07-21"),
    Source("lab-catalog", "Public laboratory catalog with LOINC codes"),
)
