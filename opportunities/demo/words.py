"""The words that the demo is made of: names, places, goods and remarks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """How companies and people of a country are called, and where they live.

    ``phone`` and ``mobile`` have an ``x`` for every random digit; where a country keeps numbers for films and
    examples, they are those. ``address`` has places for a street and a house number.
    """

    code: str
    language: str
    phone: str
    mobile: str
    address: str
    cities: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    legal_forms: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


COUNTRIES = {
    country.code: country
    for country in (
        Country(
            "BE",
            "nl",
            "+32 3 22x xx xx",
            "+32 47x xx xx xx",
            "{street} {number}",
            (
                ("Antwerpen", "2000"),
                ("Gent", "9000"),
                ("Mechelen", "2800"),
                ("Leuven", "3000"),
                ("Hasselt", "3500"),
                ("Kortrijk", "8500"),
                ("Brugge", "8000"),
            ),
            (
                "Kerkstraat",
                "Stationslei",
                "Molenweg",
                "Kanaaldijk",
                "Nijverheidslaan",
                "Veldstraat",
                "Havenweg",
            ),
            ("NV", "BV", "& Zonen BV"),
            (
                "Joke",
                "Bart",
                "Femke",
                "Wout",
                "Griet",
                "Pieter",
                "Annelies",
                "Jeroen",
                "Katrien",
                "Stijn",
                "Ine",
            ),
            (
                "Peeters",
                "Maes",
                "Claes",
                "Wouters",
                "De Smet",
                "Goossens",
                "Van Damme",
                "Hermans",
                "Aerts",
                "Bogaert",
            ),
        ),
        Country(
            "NL",
            "nl",
            "+31 20 55x xxxx",
            "+31 6 12xxxxxx",
            "{street} {number}",
            (
                ("Amsterdam", "1012 LG"),
                ("Rotterdam", "3011 AA"),
                ("Utrecht", "3511 BK"),
                ("Eindhoven", "5611 EM"),
                ("Tilburg", "5038 CB"),
                ("Zwolle", "8011 PK"),
                ("Breda", "4811 DJ"),
            ),
            (
                "Dorpsstraat",
                "Industrieweg",
                "Westerkade",
                "Beatrixlaan",
                "Handelskade",
                "Lindelaan",
                "Sluisweg",
            ),
            ("B.V.", "Groep B.V.", "N.V."),
            (
                "Sanne",
                "Daan",
                "Lieke",
                "Thijs",
                "Marieke",
                "Ruben",
                "Femke",
                "Koen",
                "Maaike",
                "Jasper",
                "Roos",
            ),
            (
                "de Vries",
                "Jansen",
                "van Dijk",
                "Bakker",
                "Visser",
                "Smit",
                "Meijer",
                "Mulder",
                "Bos",
                "Dekker",
            ),
        ),
        Country(
            "DE",
            "de",
            "+49 30 23125xxx",
            "+49 176 12xxxxxx",
            "{street} {number}",
            (
                ("Hamburg", "20095"),
                ("Köln", "50667"),
                ("Bremen", "28195"),
                ("Leipzig", "04109"),
                ("Stuttgart", "70173"),
                ("Nürnberg", "90402"),
                ("Hannover", "30159"),
            ),
            (
                "Hafenstraße",
                "Am Markt",
                "Gartenweg",
                "Lindenallee",
                "Bahnhofstraße",
                "Mühlweg",
                "Schillerplatz",
            ),
            ("GmbH", "GmbH & Co. KG", "AG"),
            ("Anke", "Jürgen", "Katrin", "Matthias", "Silke", "Torsten", "Heike", "Lukas", "Birgit", "Felix"),
            (
                "Müller",
                "Schneider",
                "Fischer",
                "Weber",
                "Wagner",
                "Becker",
                "Hoffmann",
                "Schäfer",
                "Koch",
                "Krüger",
            ),
        ),
        Country(
            "AT",
            "de",
            "+43 1 555xxxx",
            "+43 664 12xxxxx",
            "{street} {number}",
            (
                ("Wien", "1010"),
                ("Graz", "8010"),
                ("Linz", "4020"),
                ("Salzburg", "5020"),
                ("Innsbruck", "6020"),
            ),
            ("Ringstraße", "Donaugasse", "Bergweg", "Marktplatz", "Feldgasse"),
            ("GmbH", "AG", "KG"),
            ("Johanna", "Florian", "Theresa", "Dominik", "Magdalena", "Stefan", "Veronika", "Andreas"),
            ("Gruber", "Huber", "Bauer", "Pichler", "Steiner", "Moser", "Mayr", "Leitner", "Eder"),
        ),
        Country(
            "FR",
            "fr",
            "+33 1 99 00 xx xx",
            "+33 6 12 xx xx xx",
            "{number}, {street}",
            (
                ("Lyon", "69002"),
                ("Lille", "59000"),
                ("Nantes", "44000"),
                ("Toulouse", "31000"),
                ("Bordeaux", "33000"),
                ("Strasbourg", "67000"),
            ),
            (
                "rue de la Gare",
                "quai des Chartrons",
                "avenue des Tilleuls",
                "place du Marché",
                "rue du Moulin",
            ),
            ("SARL", "SAS", "SA"),
            (
                "Camille",
                "Julien",
                "Élodie",
                "Mathieu",
                "Claire",
                "Antoine",
                "Sophie",
                "Nicolas",
                "Hélène",
                "Rémi",
            ),
            ("Martin", "Dubois", "Lefèvre", "Moreau", "Girard", "Bonnet", "Fontaine", "Chevalier", "Roussel"),
        ),
        Country(
            "ES",
            "es",
            "+34 915 55 xx xx",
            "+34 612 xx xx xx",
            "{street}, {number}",
            (
                ("Madrid", "28013"),
                ("Barcelona", "08002"),
                ("Valencia", "46002"),
                ("Bilbao", "48001"),
                ("Zaragoza", "50001"),
            ),
            ("Calle Mayor", "Avenida del Puerto", "Calle del Olmo", "Paseo de la Ribera", "Plaza Nueva"),
            ("S.L.", "S.A."),
            ("Lucía", "Álvaro", "Carmen", "Diego", "Marta", "Javier", "Elena", "Pablo", "Nuria", "Sergio"),
            ("García", "Fernández", "López", "Sánchez", "Romero", "Navarro", "Torres", "Ortega", "Iglesias"),
        ),
        Country(
            "GB",
            "en-gb",
            "+44 20 7946 0xxx",
            "+44 7400 12xxxx",
            "{number} {street}",
            (
                ("Leeds", "LS1 4AP"),
                ("Bristol", "BS1 5TR"),
                ("Manchester", "M1 2JQ"),
                ("Glasgow", "G2 1DY"),
                ("Norwich", "NR2 1NR"),
                ("Sheffield", "S1 2HH"),
            ),
            ("Mill Lane", "Station Road", "Canal Street", "Victoria Way", "Foundry Close", "Harbour Road"),
            ("Ltd", "plc", "& Sons Ltd"),
            (
                "Alice",
                "Graham",
                "Harriet",
                "Oliver",
                "Imogen",
                "Callum",
                "Priya",
                "Duncan",
                "Bethan",
                "Simon",
            ),
            ("Taylor", "Hughes", "Whitaker", "Patel", "MacLeod", "Bennett", "Ashworth", "Cooper", "Fletcher"),
        ),
        Country(
            "IE",
            "en-gb",
            "+353 1 55x xxxx",
            "+353 85 12x xxxx",
            "{number} {street}",
            (("Dublin", "D02 X285"), ("Cork", "T12 W8KP"), ("Galway", "H91 E2K5"), ("Limerick", "V94 T9PX")),
            ("Quay Street", "Abbey Road", "Bridge Street", "Merchants Quay"),
            ("Ltd", "DAC"),
            ("Aoife", "Cormac", "Niamh", "Declan", "Siobhán", "Eoin", "Gráinne", "Padraig"),
            ("Murphy", "O'Brien", "Byrne", "Gallagher", "Doyle", "Kavanagh", "Nolan", "Keane"),
        ),
        Country(
            "SE",
            "sv",
            "+46 8 465 004 xx",
            "+46 70 174 06 xx",
            "{street} {number}",
            (
                ("Stockholm", "111 29"),
                ("Göteborg", "411 06"),
                ("Malmö", "211 20"),
                ("Uppsala", "753 20"),
                ("Västerås", "722 11"),
            ),
            ("Storgatan", "Hamngatan", "Kungsvägen", "Skolgatan", "Lagervägen"),
            ("AB", "Gruppen AB"),
            ("Astrid", "Gustav", "Linnea", "Oskar", "Maja", "Henrik", "Ebba", "Viktor", "Sara", "Nils"),
            ("Andersson", "Lindqvist", "Bergström", "Nyström", "Holm", "Sjöberg", "Ekström", "Sandberg"),
        ),
        Country(
            "DK",
            "da",
            "+45 33 55 xx xx",
            "+45 20 12 xx xx",
            "{street} {number}",
            (("København", "1050"), ("Aarhus", "8000"), ("Odense", "5000"), ("Aalborg", "9000")),
            ("Havnegade", "Vestergade", "Møllevej", "Industrivej", "Strandvejen"),
            ("A/S", "ApS"),
            ("Freja", "Mikkel", "Signe", "Rasmus", "Karoline", "Anders", "Mette", "Søren"),
            ("Nielsen", "Kjær", "Sørensen", "Lund", "Mortensen", "Dahl", "Winther", "Bruun"),
        ),
    )
}

# Made-up first words of company names, and the second word by line of business.
ROOTS = (
    "Alvena", "Brevic", "Corvina", "Delmare", "Estrand", "Fennoy", "Galder", "Hovenaar", "Iverlo", "Jutta",
    "Kelmond", "Lumaro", "Meridec", "Norvent", "Oderland", "Pellago", "Quarion", "Rivelin", "Solvando",
    "Tarnwell", "Ulmera", "Vantoor", "Wesselink", "Yldra", "Zandvoort", "Arkel", "Bellmont", "Castrel",
    "Drumeda", "Eikenhof", "Falkner", "Grevling", "Haldor", "Isenbrück", "Karsten", "Landskron", "Marvoise",
    "Nordhav", "Ostrava", "Petrusse", "Rosendal", "Steenhuis", "Trivello", "Ussel", "Valmy", "Wolfsberg",
)  # fmt: skip

INDUSTRIES = {
    "MANUF": ("Manufacturing", ("Metaalwerken", "Machines", "Components", "Castings", "Plastics", "Tools")),
    "LOGIST": ("Transport and logistics", ("Logistics", "Cargo", "Freight", "Warehousing", "Express")),
    "RETAIL": ("Retail", ("Retail", "Home", "Fashion", "Garden Centres", "Outlets")),
    "FOOD": ("Food and drink", ("Foods", "Dairy", "Bakeries", "Breweries", "Fresh")),
    "HEALTH": ("Health care", ("Medical", "Pharma", "Clinics", "Diagnostics")),
    "BUILD": ("Construction", ("Building", "Concrete", "Installations", "Timber")),
    "ENERGY": ("Energy and utilities", ("Energy", "Solar", "Water", "Recycling")),
    "TECH": ("Software and electronics", ("Electronics", "Systems", "Robotics", "Optics")),
    "PUBLIC": ("Public sector", ("City Services", "Port Authority", "Hospitals", "Museums")),
}

JOB_TITLES = (
    "Managing director", "Operations manager", "Plant manager", "Head of logistics", "Purchasing manager",
    "IT manager", "Warehouse manager", "Finance director", "Project engineer", "Supply chain planner",
    "Quality manager", "Buyer",
)  # fmt: skip

# What is sold: in a few words, and what it usually brings.
GOODS = (
    ("Warehouse automation", 85_000),
    ("Conveyor retrofit", 42_000),
    ("Pick-by-light for the picking hall", 28_000),
    ("Forklift fleet tracking", 16_000),
    ("Cold-store temperature sensors", 9_500),
    ("Handheld scanners", 12_000),
    ("Dock scheduling software", 21_000),
    ("Energy monitoring", 14_500),
    ("Packing line", 64_000),
    ("Returns handling", 18_500),
    ("Stock count by drone", 11_000),
    ("Label printers", 6_800),
    ("Camera inspection", 37_000),
    ("Shuttle racking", 120_000),
    ("Autonomous pallet trucks", 95_000),
    ("Weighbridge and gate", 33_000),
    ("Production dashboard", 13_000),
    ("Spare parts store", 24_000),
    ("Safety scan of the loading bay", 4_200),
    ("Wireless network for the yard", 17_500),
)
MORE_OF_IT = (
    ("Service contract", 7_200),
    ("Maintenance plan", 5_400),
    ("Extra licences", 3_900),
    ("Operator training", 2_800),
    ("Spare parts package", 6_100),
    ("Replacement batteries", 4_600),
    ("Second shift support", 8_300),
    ("Software upgrade", 9_800),
)
TENDERS = (
    ("Framework contract for scanners", 140_000),
    ("Automated archive store", 260_000),
    ("Hospital pharmacy robot", 310_000),
    ("Depot renewal", 180_000),
    ("Port gate control", 225_000),
    ("Regional sorting centre", 410_000),
)
SUFFIXES = (
    "", "", "", ", phase 1", ", phase 2", ", phase 3", ", pilot", ", {city}", ", {city}", ", site {city}",
    ", two sites", ", three sites", " {year}", ", extension", ", second hall", ", roll-out",
)  # fmt: skip
RENEWAL_SUFFIXES = (
    " {year}",
    " {year}",
    " {year}/{next_year}",
    ", {city}",
    ", two sites",
    ", three years",
    "",
)

NOTES = {
    "create": (
        "Met at the trade fair; asked for a first visit.",
        "Came in through the website.",
        "Recommended by another customer.",
        "Called us after reading the case study.",
    ),
    "start": (
        "First call went well. They have a budget for this year.",
        "Visit planned with the operations manager.",
        "Wants to know what it saves before talking about price.",
    ),
    "move": (
        "Demonstration done; the floor manager is convinced.",
        "Sent the outline and two references.",
        "Their IT department has joined in.",
        "Decision goes to the board next month.",
        "Price discussed; they want delivery before summer.",
    ),
    "back": (
        "New decision maker, so we start the conversation again.",
        "Scope has changed; needs another visit.",
    ),
    "skip": ("They know the product from another site.", "Wants a proposal straight away."),
    "revise": (
        "Smaller scope for now.",
        "A second hall was added.",
        "Budget round moved; new date.",
        "They compare with one competitor.",
        "Asked for leasing as well.",
    ),
    "won": ("Order received by e-mail.", "Signed on site.", "Verbal yes confirmed in writing."),
    "lost": (
        "Went with the cheaper offer.",
        "Project stopped by the board.",
        "No answer after four calls.",
        "Chose a supplier they know.",
    ),
    "reassign": (
        "Handed over: holidays.",
        "Closer to the customer.",
        "Speaks the language of the new contact.",
    ),
    "contact": ("Our contact changed department.", "The buyer takes over from here."),
    "reopen": (
        "They called back: the other supplier cannot deliver.",
        "Budget came back in the new quarter.",
        "New plant manager wants to talk again.",
    ),
    "undo": (
        "Wrong opportunity, sorry.",
        "Clicked too early; they have not decided.",
        "Meant another stage.",
    ),
}
