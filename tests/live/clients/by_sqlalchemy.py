"""What SQLAlchemy does that a driver alone does not: its own start-up, reflection, sessions, savepoints, streams."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class _Base(DeclarativeBase):
    pass


class _Product(_Base):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[float]


def by_sqlalchemy(engine: sqlalchemy.Engine, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    reflected = sqlalchemy.inspect(engine)
    found["columns"] = [column["name"] for column in reflected.get_columns("products")]
    found["keys"] = sorted(key["referred_table"] for key in reflected.get_foreign_keys("orders"))
    with Session(engine) as session:
        session.add_all([_Product(id=number + n, name=f"p{n}", price=1) for n in range(3)])
        session.flush()
        with session.begin_nested() as savepoint:
            session.execute(sqlalchemy.update(_Product).where(_Product.id == number).values(name="gone"))
            savepoint.rollback()
        session.commit()
        wanted = sqlalchemy.select(_Product.name).where(_Product.id.between(number, number + 9)).order_by(_Product.id)
        found["names"] = list(session.scalars(wanted.execution_options(yield_per=1)))
        try:
            session.execute(sqlalchemy.text("truncate products"))
        except sqlalchemy.exc.DBAPIError as error:
            session.rollback()
            found["refused"] = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        found["after_refused"] = session.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(_Product)) >= 11
    return found
