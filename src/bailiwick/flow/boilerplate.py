"""What everybody writes, whatever they have read: greetings, closings, courtesies, notices. Evidence of nothing."""

from __future__ import annotations

__all__ = ["BOILERPLATE"]

BOILERPLATE = (
    """
    Dear Sir or Madam, I hope this email finds you well. I hope this message finds you well. I hope you are well.
    Thank you for your email. Thank you for your message. Thank you very much for your help. Thanks in advance.
    Thank you for getting in touch with us. Thank you for your patience. Thank you for your understanding.
    Please let me know if you have any questions. Please let me know if you need anything else.
    If you have any questions, please do not hesitate to contact me. Please do not hesitate to contact us.
    If you have any further questions, please feel free to reach out. Feel free to contact us at any time.
    I look forward to hearing from you. Looking forward to hearing from you. We look forward to your reply.
    Please find attached. Please find the attached document. As discussed, please find below. As requested.
    Best regards, Kind regards, Warm regards, With kind regards, Yours sincerely, Yours faithfully, Many thanks,
    Mit freundlichen Grüßen, Sehr geehrte Damen und Herren, Vielen Dank für Ihre Nachricht. Mit besten Grüßen
    Cordialement, Bien à vous, Je vous remercie de votre message. Atentamente, Un saludo cordial, Muchas gracias
    This email and any attachments are confidential and intended solely for the use of the individual or entity to
    whom they are addressed. If you have received this email in error, please notify the sender immediately and
    delete it from your system. Any unauthorised copying, disclosure or distribution of the material is forbidden.
    Please consider the environment before printing this email. Sent from my iPhone. Sent from my mobile device.
    To unsubscribe from this list, click here. You are receiving this email because you signed up.
    All rights reserved. Terms and conditions apply. Privacy policy. Terms of service. Registered office. VAT number.
    Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
    documentation files, to deal in the Software without restriction.
    Licensed under the Apache License, Version
    2.0; you may not use this file except in compliance with the License. THE SOFTWARE IS PROVIDED AS IS, WITHOUT
    WARRANTY OF ANY KIND, EXPRESS OR IMPLIED.
    """,
)
