"""The pages: study list, study, sign-in, and whatever OHIF cannot show."""
