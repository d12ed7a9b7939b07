mod drawn;
mod shift;
